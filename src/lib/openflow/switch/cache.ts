import type { Fault } from "./faults.ts";
import type { Key } from "./layout.ts";
import type { Translation } from "./operation.ts";

/** Walks kept at most: a bound on memory under scans. When it is reached, all are made anew. */
const mostEntries = 50_000;
/** After so many hits the groups are put in the order of their use. */
const sortEvery = 4_096;

interface Cached {
  readonly values: Int32Array;
  readonly translation: Translation;
}

/** Walks that consulted the same bits. */
interface MaskGroup {
  readonly words: Int32Array;
  readonly masks: Int32Array;
  readonly buckets: Map<number, Cached[]>;
  hits: number;
}

/** Remembers where packets went by the bits that decided it, as Open vSwitch's megaflows do, per recirculation. */
export function createCache(fault?: Fault): {
  find(recirculation: number, key: Key): Translation | undefined;
  add(recirculation: number, key: Key, translation: Translation): void;
  clear(): void;
  readonly size: number;
} {
  const groupsOf = new Map<number, MaskGroup[]>();
  let size = 0;
  let lookups = 0;
  const clear = (): void => {
    groupsOf.clear();
    size = 0;
  };
  return {
    find(recirculation, key) {
      const groups = groupsOf.get(recirculation);
      if (groups === undefined) return undefined;
      if (++lookups % sortEvery === 0) for (const each of groupsOf.values()) each.sort((one, other) => other.hits - one.hits);
      for (const group of groups) {
        const bucket = group.buckets.get(hashOf(group, key));
        if (bucket === undefined) continue;
        for (const cached of bucket)
          if (agrees(group, cached.values, key)) {
            group.hits++;
            return cached.translation;
          }
      }
      return undefined;
    },
    add(recirculation, key, translation) {
      if (size >= mostEntries) clear();
      const { consulted } = translation;
      const words: number[] = [];
      for (let word = 0; word < consulted.length; word++) if (consulted[word] !== 0) words.push(word);
      if (fault === "the cache forgets masks") words.pop();
      const groups = groupsOf.get(recirculation) ?? [];
      groupsOf.set(recirculation, groups);
      let group = groups.find(
        (each) =>
          each.words.length === words.length &&
          words.every((word, index) => each.words[index] === word && each.masks[index] === consulted[word]),
      );
      if (group === undefined) {
        group = {
          words: Int32Array.from(words),
          masks: Int32Array.from(words, (word) => consulted[word] ?? 0),
          buckets: new Map(),
          hits: 0,
        };
        groups.push(group);
      }
      const hash = hashOf(group, key);
      const { masks } = group;
      const cached = { values: Int32Array.from(words, (word, index) => (key[word] ?? 0) & (masks[index] ?? 0)), translation };
      const bucket = group.buckets.get(hash);
      if (bucket === undefined) group.buckets.set(hash, [cached]);
      else bucket.push(cached);
      size++;
    },
    clear,
    get size() {
      return size;
    },
  };
}

function hashOf({ words, masks }: MaskGroup, key: Key): number {
  let hash = 0;
  for (let index = 0; index < words.length; index++)
    hash = Math.imul(hash ^ ((key[words[index] as number] as number) & (masks[index] as number)), 0x9e3779b1) ^ (hash >>> 15);
  return hash;
}

function agrees({ words, masks }: MaskGroup, values: Int32Array, key: Key): boolean {
  for (let index = 0; index < words.length; index++)
    if (((key[words[index] as number] as number) & (masks[index] as number)) !== values[index]) return false;
  return true;
}
