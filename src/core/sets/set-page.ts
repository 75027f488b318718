import type { Prefix } from "#lib/ip/index.ts";
import type { SetBlock } from "./block-values.ts";
import { createIdPool } from "./id-pool.ts";
import { type BitsDraft, bitsPerPage, newDraft, setBit } from "./set-bits.ts";

/** Addresses that a rule names: those of groups, or those of blocks. Equal keys mean equal sets. */
export type PeerSet =
  | { readonly key: string; readonly kind: "members"; readonly groups: readonly string[] }
  | {
      readonly key: string;
      readonly kind: "blocks";
      readonly blocks: readonly { readonly cidr: Prefix; readonly except: readonly Prefix[] }[];
    };

/** Up to {@link bitsPerPage} peer sets, each with one bit. */
export interface SetPage {
  readonly id: number;
  /** Whether all `keys` have a bit or can get one now. */
  fits(keys: Iterable<string>): boolean;
  /** Sets that can get a bit now. */
  readonly free: number;
  /** The bit of a set, for one more user of it. Undefined when the page is full. */
  take(set: PeerSet, preferred?: number): number | undefined;
  release(key: string): void;
  /** The same, but the set keeps its bit until {@link SetPage.settle}: nobody uses it any more who has heard so. */
  retire(key: string): void;
  bitOf(key: string): number | undefined;
  /** Bits that were released can be given again from now on. Tells whether retired sets left the page. */
  settle(): boolean;
  /** Bits that sets were given since {@link SetPage.settle}: none of them means anything to anybody yet. */
  readonly fresh: Readonly<BitsDraft>;
  /** Sets in the draft the bits of `members` sets that hold one of `groups`. */
  draftMembers(groups: readonly string[], draft: BitsDraft): void;
  /** Groups whose sets came or went since the last time: the addresses in them may have new bits. */
  takeChangedGroups(): ReadonlySet<string>;
  /** The blocks of all `blocks` sets; undefined when they are the same as the last time. */
  takeChangedBlocks(): readonly SetBlock[] | undefined;
  /** Sets with their bits. */
  bits(): Iterable<readonly [key: string, bit: number]>;
  readonly empty: boolean;
}

export interface SetPageOptions {
  /** At most {@link bitsPerPage}, which is the default. */
  readonly sets?: number;
  /** Bits that sets will prefer when they come back. */
  readonly reserved?: readonly number[];
}

export function createSetPage(id: number, { sets: most = bitsPerPage, reserved = [] }: SetPageOptions = {}): SetPage {
  const pool = createIdPool({ first: 0, last: most - 1, reserved });
  const sets = new Map<string, { readonly set: PeerSet; readonly bit: number; users: number }>();
  const groupBits = new Map<string, readonly number[]>();
  let changedGroups = new Set<string>();
  let blocksChanged = false;
  const fresh = newDraft();
  const retired = new Set<string>();

  const leave = (key: string): void => {
    const found = sets.get(key);
    if (found === undefined) return;
    sets.delete(key);
    pool.release(found.bit);
    note(found.set, found.bit, false);
  };
  const note = (set: PeerSet, bit: number, present: boolean): void => {
    if (set.kind === "blocks") {
      blocksChanged = true;
      return;
    }
    for (const group of set.groups) {
      const others = (groupBits.get(group) ?? []).filter((other) => other !== bit);
      const after = present ? [...others, bit] : others;
      if (after.length === 0) groupBits.delete(group);
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
    get free() {
      return pool.free;
    },
    take(set, preferred) {
      const found = sets.get(set.key);
      if (found !== undefined) {
        found.users++;
        retired.delete(set.key);
        return found.bit;
      }
      const bit = pool.take(preferred);
      if (bit === undefined) return undefined;
      sets.set(set.key, { set, bit, users: 1 });
      setBit(fresh, bit, true);
      note(set, bit, true);
      return bit;
    },
    release(key) {
      const found = sets.get(key);
      if (found !== undefined && --found.users <= 0) leave(key);
    },
    retire(key) {
      const found = sets.get(key);
      if (found !== undefined && --found.users <= 0) retired.add(key);
    },
    bitOf: (key) => sets.get(key)?.bit,
    settle() {
      pool.settle();
      fresh.fill(0);
      const left = retired.size > 0;
      for (const key of retired) leave(key);
      retired.clear();
      return left;
    },
    fresh,
    draftMembers(groups, draft) {
      for (const group of groups) {
        const bits = groupBits.get(group);
        if (bits !== undefined) for (const bit of bits) setBit(draft, bit, true);
      }
    },
    takeChangedGroups() {
      const changed = changedGroups;
      changedGroups = new Set();
      return changed;
    },
    takeChangedBlocks() {
      if (!blocksChanged) return undefined;
      blocksChanged = false;
      return [...sets.values()].flatMap(({ set, bit }) =>
        set.kind === "blocks" ? set.blocks.map((block) => ({ ...block, set: bit })) : [],
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
