import type { IpBlock } from "#core/api/controlplane/index.ts";
import { addressOfKey, type IndexedMember, type MemberIndex, type PeerSet, portMasks } from "#core/sets/index.ts";
import { addressBits, hostPrefix, IpAddress, Prefix } from "#lib/ip/index.ts";
import type { Clause, PeerTerm, PortRange } from "./clauses.ts";

/** The clauses with every address of their sets standing in them, so that they need no bits. Undefined when that makes more than `limit` flows. */
export function withPeersInline<Member extends IndexedMember>(
  clauses: readonly Clause[],
  index: MemberIndex<Member>,
  limit: number,
): Clause[] | undefined {
  let left = limit;
  const inline: Clause[] = [];
  for (const { peers, ports } of clauses) {
    const terms: PeerTerm[] = [];
    const each = flowsOfPorts(ports);
    for (const peer of peers) {
      const prefixes = peer.kind === "set" ? prefixesOf(peer.set, index, left / each - terms.length) : undefined;
      if (peer.kind === "set" && prefixes === undefined) return undefined;
      terms.push(...(prefixes?.map((prefix): PeerTerm => ({ kind: "prefix", prefix })) ?? [peer]));
    }
    left -= terms.length * each;
    if (left < 0) return undefined;
    if (terms.length > 0) inline.push({ peers: terms, ports });
  }
  return inline;
}

/** Flows that a peer has for each family. */
export const flowsOfPorts = (ports: Clause["ports"]): number =>
  ports === "every" ? 1 : ports.reduce((sum, { ports: range, sources }) => sum + masksOf(range) * masksOf(sources), 0);

const masksOf = (range: PortRange | undefined): number => (range === undefined ? 1 : portMasks(range.from, range.to).length);

function prefixesOf<Member extends IndexedMember>(set: PeerSet, index: MemberIndex<Member>, limit: number): Prefix[] | undefined {
  const found: Prefix[] = [];
  if (set.kind === "blocks") {
    for (const block of set.blocks) if (block.except.length > limit || !addRemaining(block, limit, found)) return undefined;
    return found;
  }
  const seen = new Set<string | number>();
  for (const group of set.groups)
    for (const { key } of index.addressesOf(group)) {
      if (seen.has(key)) continue;
      if (found.length >= limit) return undefined;
      seen.add(key);
      found.push(hostPrefix(addressOfKey(key)));
    }
  return found;
}

/** Adds the prefixes that together are `cidr` without its excepts; false when there are more than `limit` in all. */
function addRemaining({ cidr, except }: IpBlock, limit: number, found: Prefix[]): boolean {
  const inside = except.filter((inner) => cidr.covers(inner) || inner.covers(cidr));
  if (inside.some((inner) => inner.covers(cidr))) return true;
  if (inside.length === 0) {
    if (found.length >= limit) return false;
    found.push(cidr);
    return true;
  }
  return halvesOf(cidr).every((half) => addRemaining({ cidr: half, except: inside }, limit, found));
}

function halvesOf({ address, length, family }: Prefix): [Prefix, Prefix] {
  const upper = new IpAddress(family, address.value | (1n << BigInt(addressBits(family) - length - 1)));
  return [new Prefix(address, length + 1), new Prefix(upper, length + 1)];
}
