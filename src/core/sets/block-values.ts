import { addressBits, IpAddress, Prefix } from "#lib/ip/index.ts";
import { type BitsTable, newDraft, type SetBits, setBit } from "./set-bits.ts";

/** A block of addresses, minus the blocks inside it that do not count, as part of one set. */
export interface SetBlock {
  readonly set: number;
  readonly cidr: Prefix;
  readonly except: readonly Prefix[];
}

/** What a prefix is found by: of IPv4, address × 64 + length; of IPv6, the address in hexadecimal digits, a slash and the length. */
export type PrefixKey = number | string;

const lengths = 64;

export const prefixKey = ({ address: { family, value }, length }: Prefix): PrefixKey =>
  family === 4 ? Number(value) * lengths + length : `${value.toString(16)}/${length}`;

/** The prefix that {@link prefixKey} made `key` of. */
export function prefixOfKey(key: PrefixKey): Prefix {
  if (typeof key === "number") return new Prefix(new IpAddress(4, BigInt(Math.floor(key / lengths))), key % lengths);
  const slash = key.indexOf("/");
  return new Prefix(new IpAddress(6, BigInt(`0x${key.slice(0, slash)}`)), Number(key.slice(slash + 1)));
}

/** The keys of all prefixes that cover this one, from the longest. */
export function* shorterPrefixes(key: PrefixKey): Generator<PrefixKey> {
  if (typeof key === "number") {
    const address = Math.floor(key / lengths);
    for (let length = (key % lengths) - 1; length >= 0; length--) yield (address - (address % 2 ** (32 - length))) * lengths + length;
    return;
  }
  const { address, length } = prefixOfKey(key);
  for (let shorter = length - 1; shorter >= 0; shorter--) yield prefixKey(new Prefix(address, shorter));
}

/** IPv4 in numbers, which are faster; IPv6 in bigints. They are never mixed. */
type Place = number | bigint;

interface Edge {
  readonly prefix: Prefix;
  readonly first: Place;
  readonly last: Place;
  readonly block: number;
  /** Entering the prefix begins (cidr) or ends (except) the block. */
  readonly begins: boolean;
}

/**
 * Turns overlapping blocks into a longest-prefix lookup: the sets that an address is in when a prefix is the longest of all that cover it. The
 * value of each prefix is complete, so that one hit tells every set. An except takes addresses from its own block only; another block of the
 * same set may still hold them. O(n log n) in the number of prefixes.
 */
export function blockValues(blocks: readonly SetBlock[], table: BitsTable): Map<PrefixKey, SetBits> {
  const values = new Map<PrefixKey, SetBits>();
  for (const family of [4, 6] as const) {
    const edges: Edge[] = [];
    for (const [number, { cidr, except }] of blocks.entries()) {
      if (cidr.family !== family) continue;
      edges.push(edgeOf(cidr, number, true));
      for (const inner of except) if (cidr.covers(inner)) edges.push(edgeOf(inner, number, false));
    }
    if (edges.length > 0) sweep(edges.sort(outsideIn), blocks, table, values);
  }
  return values;
}

/** Goes through prefixes from outside in and from low to high, and notes what holds at each. */
function sweep(edges: readonly Edge[], blocks: readonly SetBlock[], table: BitsTable, values: Map<PrefixKey, SetBits>): void {
  const inside: { readonly edge: Edge; readonly undo: boolean }[] = [];
  const active = new Set<number>();
  const blocksOfSet = new Map<number, number>();
  const bits = newDraft();

  const setActive = (block: number, on: boolean): boolean => {
    if (active.has(block) === on) return false;
    if (on) active.add(block);
    else active.delete(block);
    const set = blocks[block]?.set ?? 0;
    const count = (blocksOfSet.get(set) ?? 0) + (on ? 1 : -1);
    blocksOfSet.set(set, count);
    setBit(bits, set, count > 0);
    return true;
  };

  for (const [index, edge] of edges.entries()) {
    for (let outer = inside.at(-1); outer !== undefined && outer.edge.last < edge.first; outer = inside.at(-1)) {
      inside.pop();
      if (outer.undo) setActive(outer.edge.block, !outer.edge.begins);
    }
    inside.push({ edge, undo: setActive(edge.block, edge.begins) });
    const following = edges[index + 1];
    if (following === undefined || following.first !== edge.first || following.last !== edge.last)
      values.set(prefixKey(edge.prefix), table.intern(bits));
  }
}

function edgeOf(prefix: Prefix, block: number, begins: boolean): Edge {
  const { family, length } = prefix;
  const { value } = prefix.address;
  const hostBits = addressBits(family) - length;
  if (family === 4) {
    const first = Number(value);
    return { prefix, first, last: first + 2 ** hostBits - 1, block, begins };
  }
  return { prefix, first: value, last: value + (1n << BigInt(hostBits)) - 1n, block, begins };
}

/** A block begins before an except at the same prefix ends it. */
function outsideIn(a: Edge, b: Edge): number {
  if (a.first !== b.first) return a.first < b.first ? -1 : 1;
  if (a.last !== b.last) return a.last > b.last ? -1 : 1;
  return Number(b.begins) - Number(a.begins);
}
