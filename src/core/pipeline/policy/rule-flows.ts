import type { Protocol } from "#core/api/controlplane/index.ts";
import { bitsPerPage, portMasks } from "#core/sets/index.ts";
import type { Family } from "#lib/ip/index.ts";
import type { Flow } from "#lib/openflow/flow.ts";
import { type Match, normalMatch } from "#lib/openflow/match.ts";
import { cookie } from "../cookie.ts";
import { flow, ipv4, ipv6, setRegister, whenRegisters } from "../flow-builder.ts";
import type { Pipeline } from "../tables.ts";
import type { Clause, PeerTerm, PortTerm } from "./clauses.ts";
import type { PolicySide } from "./sides.ts";

const halfPage = bitsPerPage / 2;
const wholePort = 0xffff;

interface Layer4 {
  readonly number: (family: Family) => bigint;
  readonly portField?: "tcp_dst" | "udp_dst" | "sctp_dst";
}

const layer4: Readonly<Record<Protocol, Layer4>> = {
  TCP: { number: () => 6n, portField: "tcp_dst" },
  UDP: { number: () => 17n, portField: "udp_dst" },
  SCTP: { number: () => 132n, portField: "sctp_dst" },
  ICMP: { number: (family) => (family === 4 ? 1n : 58n) },
  IGMP: { number: () => 2n },
};

/** A rule in its place. */
export interface RuleToCompile {
  /** The condition that the rule is to be asked. */
  readonly condition: Match;
  /** The bit that a set has where the condition holds. */
  readonly bitOf: (set: string) => number | undefined;
  /** Written to the connection that the rule admits, and into the flows' cookies. */
  readonly ruleId: number;
  /** Rules that may be asked together and overlap must not share one. */
  readonly priority: number;
  readonly clauses: readonly Clause[];
}

/** Makes the flows of rules: condition + peer + port → admitted by this rule. Peers whose set has no bit stay refused. */
export function ruleCompiler(pipeline: Pipeline, side: PolicySide, families: readonly Family[]): (rule: RuleToCompile) => Flow[] {
  const admitting = flow(pipeline, side.rule, { priority: 0, cookie: 0n, match: {}, next: side.admitted });
  const { table } = admitting;
  return ({ condition, bitOf, ruleId, priority, clauses }) => {
    const made = cookie("networkPolicy", ruleId, ruleId & 0xff);
    const actions = [setRegister(side.ruleRegister, BigInt(ruleId)), ...admitting.actions];
    const flows: Flow[] = [];
    // Fields in the order in which switches keep them.
    const add = (address: Match, ports: Match, bit: Match): void =>
      void flows.push({ table, priority, cookie: made, match: { ...address, ...ports, ...condition, ...bit }, actions });
    for (const { peers, ports } of clauses)
      for (const peer of peers) {
        const matched = peerCondition(side, bitOf, peer);
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

interface PeerCondition {
  readonly address: Match;
  readonly bit: Match;
}

function peerCondition(side: PolicySide, bitOf: RuleToCompile["bitOf"], peer: PeerTerm): PeerCondition | undefined {
  switch (peer.kind) {
    case "any":
      return { address: noCondition, bit: noCondition };
    case "family":
      return { address: { eth_type: peer.family === 4 ? ipv4 : ipv6 }, bit: noCondition };
    case "prefix":
      return { address: side.peerPrefix(peer.prefix), bit: noCondition };
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

function portMatches({ protocol, ports }: PortTerm, family: Family): Match[] {
  const { number, portField } = layer4[protocol];
  const base = { eth_type: family === 4 ? ipv4 : ipv6, ip_proto: number(family) };
  if (ports === undefined || portField === undefined) return [base];
  return portMasks(ports.from, ports.to).map(({ value, mask }) => {
    if (mask === 0) return base;
    return { ...base, [portField]: mask === wholePort ? BigInt(value) : { value: BigInt(value), mask: BigInt(mask) } };
  });
}
