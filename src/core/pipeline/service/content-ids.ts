import { createHash } from "node:crypto";

/**
 * Numbers that follow from what they stand for, so that they mean the same after a restart; a clash gives the later key the next number.
 * A key keeps its number while anybody holds it.
 */
export interface ContentIds {
  /** The key's number, 1 … `last`; each call is undone by one {@link ContentIds.release}. `digest` is {@link contentDigest} of the key, where it is known. */
  hold(key: string, digest?: number): number;
  release(key: string): void;
  /** Undefined while nobody holds it. */
  numberOf(key: string): number | undefined;
}

/** What a key's number follows from: 32 bits. */
export const contentDigest = (key: string): number => createHash("sha1").update(key).digest().readUInt32BE();

export function createContentIds({ last }: { readonly last: number }): ContentIds {
  const byKey = new Map<string, { readonly id: number; holders: number }>();
  const taken = new Set<number>();
  return {
    hold(key, digest) {
      const known = byKey.get(key);
      if (known !== undefined) {
        known.holders++;
        return known.id;
      }
      let id = ((digest ?? contentDigest(key)) % last) + 1;
      while (taken.has(id)) id = (id % last) + 1;
      byKey.set(key, { id, holders: 1 });
      taken.add(id);
      return id;
    },
    release(key) {
      const known = byKey.get(key);
      if (known === undefined || --known.holders > 0) return;
      byKey.delete(key);
      taken.delete(known.id);
    },
    numberOf: (key) => byKey.get(key)?.id,
  };
}
