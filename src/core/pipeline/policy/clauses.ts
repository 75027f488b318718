import { hash } from "node:crypto";
import type { IpBlock, Protocol, ServiceMatch } from "#core/api/controlplane/index.ts";
import { type MemberIndex, type PeerSet, partName } from "#core/sets/index.ts";
import type { Family, Prefix } from "#lib/ip/index.ts";
import type { LoweredRule } from "./lowered-rule.ts";

/** One way to be the peer of a rule. */
export type PeerTerm =
  | { readonly kind: "any" }
  | { readonly kind: "family"; readonly family: Family }
  | { readonly kind: "prefix"; readonly prefix: Prefix }
  | { readonly kind: "set"; readonly set: PeerSet };

/** One layer-4 condition; `ports` is inclusive, absent = every port. */
export interface PortTerm {
  readonly protocol: Protocol;
  readonly ports?: { readonly from: number; readonly to: number };
}

/** Matches when any peer term and any port term does; without port terms every protocol matches. */
export interface Clause {
  readonly peers: readonly PeerTerm[];
  readonly ports: readonly PortTerm[] | "every";
}

/** Numbers that a rule's named ports have for one subject. */
export type OwnPorts = readonly PortTerm[];

/** All that a rule allows, as a union. Named ports of peers become one clause per number, over the peers that resolve to it. */
export function clausesOf(rule: LoweredRule, ownPorts: OwnPorts, index: MemberIndex): Clause[] {
  const everyService = rule.services.length + rule.ownNames.length + rule.peerNames.length === 0;
  const numeric = [...rule.services.map(portTerm), ...ownPorts];
  const clauses: Clause[] = [];
  if (everyService || numeric.length > 0)
    clauses.push({ peers: peerTerms(rule.groups, rule.blocks), ports: everyService ? "every" : numeric });
  for (const { protocol, port } of rule.peerNames) {
    const named = { protocol, name: String(port) };
    const numbers = new Set(rule.groups.flatMap((group) => [...index.numbers(group, named)]));
    for (const number of [...numbers].sort((a, b) => a - b))
      clauses.push({
        peers: peerTerms(
          rule.groups.map((group) => partName(group, named, number)),
          [],
        ),
        ports: [{ protocol, ports: { from: number, to: number } }],
      });
  }
  return clauses.filter(({ peers }) => peers.length > 0);
}

function portTerm({ protocol, port, endPort }: ServiceMatch): PortTerm {
  if (typeof port !== "number") return { protocol };
  return { protocol, ports: { from: port, to: endPort ?? port } };
}

function peerTerms(groups: readonly string[], blocks: readonly IpBlock[]): PeerTerm[] {
  const whole = new Set(blocks.filter(({ cidr, except }) => cidr.length === 0 && except.length === 0).map(({ cidr }) => cidr.family));
  if (whole.size === 2) return [{ kind: "any" }];
  const terms: PeerTerm[] = [...whole].map((family) => ({ kind: "family", family }));
  const partial = blocks.filter(({ cidr }) => !whole.has(cidr.family));
  const [first] = partial;
  if (first !== undefined && partial.length === 1 && first.except.length === 0) terms.push({ kind: "prefix", prefix: first.cidr });
  else if (partial.length > 0)
    terms.push({
      kind: "set",
      set: { key: digest(partial.map(blockText).sort()), kind: "blocks", blocks: partial },
    });
  if (groups.length > 0) terms.push({ kind: "set", set: { key: digest(groups), kind: "members", groups } });
  return terms;
}

const blockText = ({ cidr, except }: IpBlock): string => [cidr, ...except].join("-");
const digest = (parts: readonly string[]): string => hash("sha1", parts.join(" "), "base64url");
