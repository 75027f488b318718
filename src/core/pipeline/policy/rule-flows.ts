import type { Protocol, RuleAction } from "#core/api/controlplane/index.ts";
import { bitsPerPage, portMasks } from "#core/sets/index.ts";
import type { Family } from "#lib/ip/index.ts";
import type { Action } from "#lib/openflow/action.ts";
import type { Flow, FlowFlag } from "#lib/openflow/flow.ts";
import type { FieldName } from "#lib/openflow/fields.ts";
import { type Match, normalMatch } from "#lib/openflow/match.ts";
import { cookie } from "../cookie.ts";
import { flow, ipv4, ipv6, setRegister, whenRegisters } from "../flow-builder.ts";
import { copyToController } from "../packet-in/index.ts";
import type { ServiceNumbers } from "../service/index.ts";
import type { Pipeline } from "../tables.ts";
import type { Clause, PeerTerm, PortRange, PortTerm } from "./clauses.ts";
import type { PolicyLayer } from "./layers.ts";
import type { PolicySide } from "./sides.ts";

const halfPage = bitsPerPage / 2;
const wholePort = 0xffff;

interface Layer4 {
  readonly number: (family: Family) => bigint;
  readonly ports?: "tcp" | "udp" | "sctp";
}

const layer4: Readonly<Record<Protocol, Layer4>> = {
  TCP: { number: () => 6n, ports: "tcp" },
  UDP: { number: () => 17n, ports: "udp" },
  SCTP: { number: () => 132n, ports: "sctp" },
  ICMP: { number: (family) => (family === 4 ? 1n : 58n) },
  IGMP: { number: () => 2n },
};

/** A rule in its place. */
export interface RuleToCompile {
  /** The condition that the rule is to be asked. */
  readonly condition: Match;
  /** The bit that a set has where the condition holds. */
  readonly bitOf: (set: string) => number | undefined;
  readonly action: RuleAction;
  /** Written to the connection that the rule admits, and into the flows' cookies. */
  readonly ruleId: number;
  /** Rules that may be asked together and overlap must not share one. */
  readonly priority: number;
  /** The agent gets a copy of what it matches, for the audit log. */
  readonly isLogged: boolean;
  /** Told what it would do, and nothing more. */
  readonly isStaged: boolean;
  readonly clauses: readonly Clause[];
}

export interface RuleCompilerOptions {
  readonly pipeline: Pipeline;
  readonly layer: PolicyLayer;
  readonly families: readonly Family[];
  /** What goes to the agent is bound by meters. */
  readonly metered: boolean;
  /** Absent: connections to Services are not seen, so that none matches. */
  readonly services?: ServiceNumbers | undefined;
}

/** Makes the flows of rules: condition + peer + port → what this rule does. Peers whose set has no bit are not matched. */
export function ruleCompiler({ pipeline, layer, families, metered, services }: RuleCompilerOptions): (rule: RuleToCompile) => Flow[] {
  const { side } = layer;
  const table = pipeline.table(layer.table);
  const ends = (action: RuleAction): readonly Action[] =>
    flow(pipeline, layer.table, { priority: 0, cookie: 0n, match: {}, next: layer.next(action) }).actions;
  const endings: Readonly<Record<RuleAction, readonly Action[]>> = {
    Allow: ends("Allow"),
    Drop: ends("Drop"),
    // The agent answers; the packet itself goes no further.
    Reject: [copyToController(pipeline, "reject", { metered }), ...ends("Reject")],
    Pass: ends("Pass"),
  };
  const log = copyToController(pipeline, "auditLog", { metered });
  // The switch tells what a flow counted when it goes: rules move between profiles, and statistics do not go backwards.
  const counted = pipeline.has("statistics") ? tellsItsEnd : {};
  // A packet that met one is asked of all rules once more, of those that are staged no more.
  const notTold = whenRegisters({ [side.stagedRegister]: 0n });
  const told: readonly Action[] = [setRegister(side.stagedRegister, 1n), { type: "resubmit", table }];
  return ({ condition, bitOf, action, ruleId, priority, isLogged, isStaged, clauses }) => {
    const made = cookie("networkPolicy", ruleId, ruleId & 0xff);
    const ending = endings[action];
    const verdict = isStaged ? told : action === "Allow" ? [setRegister(side.ruleRegister, BigInt(ruleId)), ...ending] : ending;
    const actions = isLogged ? [log, ...verdict] : verdict;
    const flags = action === "Pass" ? {} : counted;
    const flows: Flow[] = [];
    // Fields in the order in which switches keep them.
    const add = (address: Match, ports: Match, bit: Match): void =>
      void flows.push({
        table,
        priority,
        cookie: made,
        match: { ...address, ...ports, ...condition, ...bit, ...(isStaged ? notTold : noCondition) },
        actions,
        ...flags,
      });
    for (const { peers, ports } of clauses)
      for (const peer of peers) {
        const matched = peerCondition({ side, bitOf, services }, peer);
        if (matched === undefined) continue;
        const { address, bit } = matched;
        if (ports === "every") add(address, noCondition, bit);
        else
          for (const family of families)
            if (agrees(peer, family)) for (const port of ports) for (const numbers of portMatches(port, family)) add(address, numbers, bit);
      }
    return flows;
  };
}

const noCondition: Match = {};
const tellsItsEnd: { readonly flags?: readonly FlowFlag[] } = { flags: ["send_flow_rem"] };

interface PeerCondition {
  readonly address: Match;
  readonly bit: Match;
}

interface PeerContext extends Pick<RuleToCompile, "bitOf">, Pick<RuleCompilerOptions, "services"> {
  readonly side: PolicySide;
}

function peerCondition({ side, bitOf, services }: PeerContext, peer: PeerTerm): PeerCondition | undefined {
  switch (peer.kind) {
    case "any":
      return { address: noCondition, bit: noCondition };
    case "family":
      return { address: { eth_type: peer.family === 4 ? ipv4 : ipv6 }, bit: noCondition };
    case "prefix":
      return { address: side.peerPrefix(peer.prefix), bit: noCondition };
    case "service": {
      const number = services?.numberOf(peer.service);
      return number === undefined ? undefined : { address: noCondition, bit: whenRegisters({ service: BigInt(number) }) };
    }
    case "set": {
      const bit = bitOf(peer.set.key);
      return bit === undefined ? undefined : { address: noCondition, bit: whenBits[bit] ?? noCondition };
    }
  }
}

/** By bit: the condition that it is set, as switches keep it: on the narrow register that holds it. */
const whenBits: readonly Match[] = Array.from({ length: bitsPerPage }, (_, bit) => {
  const mask = 1n << BigInt(bit % halfPage);
  return normalMatch(whenRegisters(bit < halfPage ? { setBitsLow: { value: mask, mask } } : { setBitsHigh: { value: mask, mask } }));
});

function agrees(peer: PeerTerm, family: Family): boolean {
  if (peer.kind === "family") return peer.family === family;
  if (peer.kind === "prefix") return peer.prefix.family === family;
  return peer.kind !== "set" || peer.set.kind !== "blocks" || peer.set.blocks.some(({ cidr }) => cidr.family === family);
}

function portMatches({ protocol, ports, sources, icmp }: PortTerm, family: Family): Match[] {
  const { number, ports: fields } = layer4[protocol];
  const base = { eth_type: family === 4 ? ipv4 : ipv6, ip_proto: number(family) };
  if (icmp !== undefined) {
    const [type, code] = family === 4 ? (["icmp_type", "icmp_code"] as const) : (["icmpv6_type", "icmpv6_code"] as const);
    return [
      {
        ...base,
        ...(icmp.type !== undefined && { [type]: BigInt(icmp.type) }),
        ...(icmp.code !== undefined && { [code]: BigInt(icmp.code) }),
      },
    ];
  }
  if (fields === undefined) return [base];
  const destinations = portConditions(`${fields}_dst`, ports);
  if (sources === undefined) return destinations.map((match) => ({ ...base, ...match }));
  // Fields in the order in which switches keep them.
  return portConditions(`${fields}_src`, sources).flatMap((source) => destinations.map((match) => ({ ...base, ...source, ...match })));
}

function portConditions(field: FieldName, ports: PortRange | undefined): Match[] {
  if (ports === undefined) return [noCondition];
  return portMasks(ports.from, ports.to).map(({ value, mask }) => {
    if (mask === 0) return noCondition;
    return { [field]: mask === wholePort ? BigInt(value) : { value: BigInt(value), mask: BigInt(mask) } };
  });
}
