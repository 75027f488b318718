import type { Prefix } from "#lib/ip/index.ts";
import { type BlockValue, blockValues } from "./block-values.ts";
import { createIdPool } from "./id-pool.ts";
import type { HeldAddress } from "./member-index.ts";

/** Bits that a page has: four registers of 32 bits, twice. */
export const bitsPerPage = 256;

/** Addresses that a rule names: those of groups, or those of blocks. Equal keys mean equal sets. */
export type PeerSet =
  | { readonly key: string; readonly kind: "members"; readonly groups: readonly string[] }
  | {
      readonly key: string;
      readonly kind: "blocks";
      readonly blocks: readonly { readonly cidr: Prefix; readonly except: readonly Prefix[] }[];
    };

/** Up to {@link bitsPerPage} peer sets, each with one bit, and the value that every address has in those bits. */
export interface SetPage {
  readonly id: number;
  /** Whether all `keys` have a bit or can get one now. */
  fits(keys: Iterable<string>): boolean;
  /** The bit of a set, for one more user of it. Undefined when the page is full. */
  take(set: PeerSet, preferred?: number): number | undefined;
  release(key: string): void;
  bitOf(key: string): number | undefined;
  /** Bits that were released can be given again from now on. */
  settle(): void;
  /** The bits of `members` sets that hold the address. */
  memberBits(address: HeldAddress): bigint;
  /** Groups whose sets came or went since the last time: the addresses in them may have new bits. */
  takeChangedGroups(): ReadonlySet<string>;
  /** The lookup of `blocks` sets; undefined when it is the same as the last time. */
  takeChangedBlocks(): readonly BlockValue[] | undefined;
  /** Sets with their bits. */
  bits(): Iterable<readonly [key: string, bit: number]>;
  readonly empty: boolean;
}

export function createSetPage(id: number): SetPage {
  const pool = createIdPool({ first: 0, last: bitsPerPage - 1 });
  const sets = new Map<string, { readonly set: PeerSet; readonly bit: number; users: number }>();
  const groupBits = new Map<string, bigint>();
  let changedGroups = new Set<string>();
  let blocksChanged = false;

  const note = (set: PeerSet, bit: number, present: boolean): void => {
    if (set.kind === "blocks") {
      blocksChanged = true;
      return;
    }
    for (const group of set.groups) {
      const before = groupBits.get(group) ?? 0n;
      const after = present ? before | (1n << BigInt(bit)) : before & ~(1n << BigInt(bit));
      if (after === 0n) groupBits.delete(group);
      else groupBits.set(group, after);
      changedGroups.add(group);
    }
  };

  return {
    id,
    fits(keys) {
      let missing = 0;
      for (const key of keys) if (!sets.has(key)) missing++;
      return missing <= pool.free;
    },
    take(set, preferred) {
      const found = sets.get(set.key);
      if (found !== undefined) {
        found.users++;
        return found.bit;
      }
      const bit = pool.take(preferred);
      if (bit === undefined) return undefined;
      sets.set(set.key, { set, bit, users: 1 });
      note(set, bit, true);
      return bit;
    },
    release(key) {
      const found = sets.get(key);
      if (found === undefined || --found.users > 0) return;
      sets.delete(key);
      pool.release(found.bit);
      note(found.set, found.bit, false);
    },
    bitOf: (key) => sets.get(key)?.bit,
    settle: () => pool.settle(),
    memberBits({ groups }) {
      let bits = 0n;
      for (const group of groups) bits |= groupBits.get(group) ?? 0n;
      return bits;
    },
    takeChangedGroups() {
      const changed = changedGroups;
      changedGroups = new Set();
      return changed;
    },
    takeChangedBlocks() {
      if (!blocksChanged) return undefined;
      blocksChanged = false;
      return blockValues(
        [...sets.values()].flatMap(({ set, bit }) => (set.kind === "blocks" ? set.blocks.map((block) => ({ ...block, set: bit })) : [])),
      );
    },
    *bits() {
      for (const [key, { bit }] of sets) yield [key, bit];
    },
    get empty() {
      return sets.size === 0;
    },
  };
}
