import type { Prefix } from "#lib/ip/index.ts";

/** A block of addresses, minus the blocks inside it that do not count, as part of one set. */
export interface SetBlock {
  readonly set: number;
  readonly cidr: Prefix;
  readonly except: readonly Prefix[];
}

/** The sets, as bits, that an address is in when `prefix` is the longest of all given prefixes that covers it. */
export interface BlockValue {
  readonly prefix: Prefix;
  readonly bits: bigint;
}

interface Edge {
  readonly prefix: Prefix;
  readonly block: number;
  /** Entering the prefix begins (cidr) or ends (except) the block. */
  readonly begins: boolean;
}

/**
 * Turns overlapping blocks into a longest-prefix lookup: the value of each prefix is complete, so that one hit tells every set. An except
 * takes addresses from its own block only; another block of the same set may still hold them. O(n log n) in the number of prefixes.
 */
export function blockValues(blocks: readonly SetBlock[]): BlockValue[] {
  const edges = blocks.flatMap(({ cidr, except }, block): Edge[] => [
    { prefix: cidr, block, begins: true },
    ...except.filter((inner) => cidr.covers(inner)).map((prefix) => ({ prefix, block, begins: false })),
  ]);
  edges.sort((a, b) => outsideIn(a.prefix, b.prefix) || Number(b.begins) - Number(a.begins));
  const values: BlockValue[] = [];
  const inside: { readonly edge: Edge; readonly undo: boolean }[] = [];
  const active = blocks.map(() => false);
  const blocksOfSet = new Map<number, number>();
  let bits = 0n;

  const setActive = (block: number, on: boolean): boolean => {
    if (active[block] === on) return false;
    active[block] = on;
    const set = blocks[block]?.set ?? 0;
    const count = (blocksOfSet.get(set) ?? 0) + (on ? 1 : -1);
    blocksOfSet.set(set, count);
    const bit = 1n << BigInt(set);
    bits = count > 0 ? bits | bit : bits & ~bit;
    return true;
  };
  const leaveUntil = (prefix: Prefix): void => {
    for (let last = inside.at(-1); last !== undefined && !last.edge.prefix.covers(prefix); last = inside.at(-1)) {
      inside.pop();
      if (last.undo) setActive(last.edge.block, !last.edge.begins);
    }
  };

  edges.forEach((edge, index) => {
    leaveUntil(edge.prefix);
    inside.push({ edge, undo: setActive(edge.block, edge.begins) });
    const following = edges[index + 1];
    if (following === undefined || !following.prefix.equals(edge.prefix)) values.push({ prefix: edge.prefix, bits });
  });
  return values;
}

function outsideIn(a: Prefix, b: Prefix): number {
  if (a.family !== b.family) return a.family - b.family;
  if (a.address.value !== b.address.value) return a.address.value < b.address.value ? -1 : 1;
  return a.length - b.length;
}
