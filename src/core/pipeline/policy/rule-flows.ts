import type { Protocol } from "#core/api/controlplane/index.ts";
import { bitsPerPage, portMasks, type SetPage } from "#core/sets/index.ts";
import type { Family } from "#lib/ip/index.ts";
import type { Flow } from "#lib/openflow/flow.ts";
import type { Match } from "#lib/openflow/match.ts";
import { cookie } from "../cookie.ts";
import { flow, ipv4, ipv6, setRegister, whenRegisters } from "../flow-builder.ts";
import type { Pipeline } from "../tables.ts";
import type { Clause, PeerTerm, PortTerm } from "./clauses.ts";
import type { PolicySide } from "./sides.ts";

const halfPage = BigInt(bitsPerPage / 2);
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

export interface RuleFlowsOptions {
  readonly pipeline: Pipeline;
  readonly side: PolicySide;
  readonly families: readonly Family[];
  readonly page: SetPage;
  readonly profile: number;
  /** Written to the connection that the rule admits, and into the flows' cookies. */
  readonly ruleId: number;
  /** Rules of a profile that overlap must not share one. */
  readonly priority: number;
  readonly clauses: readonly Clause[];
}

/** profile + peer + port → admitted by this rule. Clauses with sets that have no bit on the page are left out: their peers stay refused. */
export function compileRule(options: RuleFlowsOptions): Flow[] {
  const { pipeline, side, families, page, profile, ruleId, priority, clauses } = options;
  const subject = whenRegisters({ profile: BigInt(profile) });
  const matches = clauses.flatMap(({ peers, ports }) =>
    peers.flatMap((peer) => {
      const peerCondition = peerMatch(side, page, peer);
      if (peerCondition === undefined) return [];
      if (ports === "every") return [peerCondition];
      return families
        .filter((family) => agrees(peer, family))
        .flatMap((family) => ports.flatMap((port) => portMatches(port, family).map((match) => ({ ...peerCondition, ...match }))));
    }),
  );
  return matches.map((match) =>
    flow(pipeline, side.rule, {
      priority,
      cookie: cookie("networkPolicy", ruleId, ruleId & 0xff),
      match: { ...match, ...subject },
      actions: [setRegister(side.ruleRegister, BigInt(ruleId))],
      next: side.admitted,
    }),
  );
}

function peerMatch(side: PolicySide, page: SetPage, peer: PeerTerm): Match | undefined {
  switch (peer.kind) {
    case "any":
      return {};
    case "family":
      return { eth_type: peer.family === 4 ? ipv4 : ipv6 };
    case "prefix":
      return side.peerPrefix(peer.prefix);
    case "set": {
      const bit = page.bitOf(peer.set.key);
      if (bit === undefined) return undefined;
      const place = BigInt(bit);
      const mask = 1n << (place % halfPage);
      return whenRegisters(place < halfPage ? { setBitsLow: { value: mask, mask } } : { setBitsHigh: { value: mask, mask } });
    }
  }
}

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
