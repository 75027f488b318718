import { hash } from "node:crypto";
import type { IpBlock, Protocol, ServiceMatch } from "#core/api/controlplane/index.ts";
import { type IndexedMember, type MemberIndex, type PeerSet, partName, prefixKey } from "#core/sets/index.ts";
import type { Family, Prefix } from "#lib/ip/index.ts";
import type { LoweredRule } from "./lowered-rule.ts";

/** One way to be the peer of a rule. */
export type PeerTerm =
  | { readonly kind: "any" }
  | { readonly kind: "family"; readonly family: Family }
  | { readonly kind: "prefix"; readonly prefix: Prefix }
  | { readonly kind: "set"; readonly set: PeerSet }
  /** Whoever is reached through that Service (`namespace/name`). */
  | { readonly kind: "service"; readonly service: string };

/** One layer-4 condition; ranges are inclusive, what is absent matches everything. */
export interface PortTerm {
  readonly protocol: Protocol;
  readonly ports?: PortRange;
  readonly sources?: PortRange;
  readonly icmp?: { readonly type?: number; readonly code?: number };
}

export interface PortRange {
  readonly from: number;
  readonly to: number;
}

/** Matches when any peer term and any port term does; without port terms every protocol matches. */
export interface Clause {
  readonly peers: readonly PeerTerm[];
  readonly ports: readonly PortTerm[] | "every";
}

/** Numbers that a rule's named ports have for one subject. */
export type OwnPorts = readonly PortTerm[];

/** All that a rule allows, as a union. Named ports of peers become one clause per number, over the peers that resolve to it. */
export function clausesOf<Member extends IndexedMember>(rule: LoweredRule, ownPorts: OwnPorts, index: MemberIndex<Member>): Clause[] {
  const everyService = rule.services.length + rule.ownNames.length + rule.peerNames.length === 0;
  const numeric = merged([...rule.services.map(portTerm), ...ownPorts]);
  const clauses: Clause[] = [];
  if (everyService || numeric.length > 0) {
    const peers = [...peerTerms(rule.groups, rule), ...rule.toServices.map((service): PeerTerm => ({ kind: "service", service }))];
    if (peers.length > 0) clauses.push({ peers, ports: everyService ? "every" : numeric });
  }
  for (const { protocol, port, ...rest } of rule.peerNames) {
    const named = { protocol, name: String(port) };
    const numbers = new Set(rule.groups.flatMap((group) => [...index.numbers(group, named)]));
    for (const number of [...numbers].sort((a, b) => a - b)) {
      const parts = rule.groups.map((group) => partName(group, named, number));
      clauses.push({ peers: peerTerms(parts, noBlocks), ports: [{ protocol, ports: { from: number, to: number }, ...sourcesOf(rest) }] });
    }
  }
  return clauses;
}

const noBlocks = { blocks: [], blocksKey: "" };

function portTerm({ protocol, port, endPort, icmpType: type, icmpCode: code, ...rest }: ServiceMatch): PortTerm {
  if (protocol === "ICMP" && (type !== undefined || code !== undefined))
    return { protocol, icmp: { ...(type !== undefined && { type }), ...(code !== undefined && { code }) } };
  return { protocol, ...(typeof port === "number" && { ports: { from: port, to: endPort ?? port } }), ...sourcesOf(rest) };
}

/** The source ports of a service. */
export const sourcesOf = ({ srcPort, srcEndPort }: Pick<ServiceMatch, "srcPort" | "srcEndPort">): Pick<PortTerm, "sources"> =>
  srcPort === undefined ? {} : { sources: { from: srcPort, to: srcEndPort ?? srcPort } };

/** The same ports without overlaps: ranges that touch are one, and a protocol without ports takes in all ranges of it. */
function merged(terms: readonly PortTerm[]): readonly PortTerm[] {
  if (terms.length < 2) return terms;
  const isPlain = ({ sources, icmp }: PortTerm): boolean => sources === undefined && icmp === undefined;
  const result = terms.filter((term) => !isPlain(term));
  for (const [protocol, ofProtocol] of Map.groupBy(terms.filter(isPlain), (term) => term.protocol)) {
    const ranges = ofProtocol.flatMap(({ ports }) => ports ?? []).sort((a, b) => a.from - b.from);
    if (ranges.length < ofProtocol.length) {
      result.push({ protocol });
      continue;
    }
    let current: { readonly from: number; readonly to: number } | undefined;
    for (const range of ranges) {
      if (current !== undefined && range.from <= current.to + 1) current = { from: current.from, to: Math.max(current.to, range.to) };
      else {
        if (current !== undefined) result.push({ protocol, ports: current });
        current = range;
      }
    }
    if (current !== undefined) result.push({ protocol, ports: current });
  }
  return result;
}

function peerTerms(groups: readonly string[], { blocks, blocksKey }: Pick<LoweredRule, "blocks" | "blocksKey">): PeerTerm[] {
  const whole = new Set(blocks.filter(({ cidr, except }) => cidr.length === 0 && except.length === 0).map(({ cidr }) => cidr.family));
  if (whole.size === 2) return [{ kind: "any" }];
  const terms: PeerTerm[] = [...whole].map((family) => ({ kind: "family", family }));
  const partial = blocks.filter(({ cidr }) => !whole.has(cidr.family));
  const [first] = partial;
  if (first !== undefined && partial.length === 1 && first.except.length === 0) terms.push({ kind: "prefix", prefix: first.cidr });
  else if (partial.length > 0)
    terms.push({
      kind: "set",
      set: { key: `blocks/${blocksKey}`, kind: "blocks", blocks: partial },
    });
  if (groups.length > 0) terms.push({ kind: "set", set: { key: groupsKey(groups), kind: "members", groups } });
  return terms;
}

/** A group alone is its own name. */
const groupsKey = (groups: readonly string[]): string =>
  groups.length === 1 ? (groups[0] ?? "") : `groups/${hash("sha1", groups.join(" "), "base64url")}`;

/** A text that is equal for equal lists of blocks. */
export function blocksKeyOf(blocks: readonly IpBlock[]): string {
  if (blocks.length === 0) return "";
  return hash("sha1", blocks.map(blockText).join(" "), "base64url");
}

const blockText = ({ cidr, except }: IpBlock): string =>
  except.length === 0 ? String(prefixKey(cidr)) : [cidr, ...except].map(prefixKey).join("-");
