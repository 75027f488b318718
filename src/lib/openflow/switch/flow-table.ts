import type { Fault } from "./faults.ts";
import { type Key, wordOf } from "./layout.ts";
import type { ConjunctionClause, MatchShape, TableEntry } from "./table-entry.ts";

const conjunctionWord = wordOf("conj_id");

/** Entries whose matches look at the same bits, by the value of those bits. */
class MaskGroup {
  readonly words: Int32Array;
  readonly masks: Int32Array;
  /** Nearly always a single one, which needs no list around it. */
  readonly buckets = new Map<number, TableEntry | TableEntry[]>();
  readonly #priorities = new Map<number, number>();
  maxPriority = -1;
  size = 0;

  constructor({ words, masks }: MatchShape) {
    this.words = words;
    this.masks = masks;
  }

  hash(key: Key): number {
    const { words, masks } = this;
    let hash = 0;
    for (let index = 0; index < words.length; index++)
      hash = Math.imul(hash ^ ((key[words[index] as number] as number) & (masks[index] as number)), 0x9e3779b1) ^ (hash >>> 15);
    return hash;
  }

  /** Entries that match, whatever their priority, highest first. */
  *matching(key: Key): Generator<TableEntry> {
    for (const entry of listOf(this.buckets.get(this.hash(key)))) if (entry.matches(key)) yield entry;
  }

  strict({ values, priority }: TableEntry): TableEntry | undefined {
    return listOf(this.buckets.get(hashOfValues(values))).find(
      (entry) => entry.priority === priority && values.every((value, index) => entry.values[index] === value),
    );
  }

  insert(entry: TableEntry): void {
    const hash = hashOfValues(entry.values);
    const bucket = this.buckets.get(hash);
    if (bucket === undefined) this.buckets.set(hash, entry);
    else {
      const at = listOf(bucket).findIndex(({ priority }) => priority < entry.priority);
      this.buckets.set(hash, listOf(bucket).toSpliced(at < 0 ? Number.POSITIVE_INFINITY : at, 0, entry));
    }
    this.size++;
    this.#priorities.set(entry.priority, (this.#priorities.get(entry.priority) ?? 0) + 1);
    this.maxPriority = Math.max(this.maxPriority, entry.priority);
  }

  /** Whether it was there. */
  remove(entry: TableEntry): boolean {
    const hash = hashOfValues(entry.values);
    const bucket = listOf(this.buckets.get(hash));
    if (!bucket.includes(entry)) return false;
    const [only, ...more] = bucket.filter((other) => other !== entry);
    if (only === undefined) this.buckets.delete(hash);
    else this.buckets.set(hash, more.length === 0 ? only : [only, ...more]);
    this.size--;
    const left = (this.#priorities.get(entry.priority) ?? 1) - 1;
    if (left > 0) this.#priorities.set(entry.priority, left);
    else {
      this.#priorities.delete(entry.priority);
      if (entry.priority === this.maxPriority) this.maxPriority = Math.max(-1, ...this.#priorities.keys());
    }
    return true;
  }
}

const nothing: TableEntry[] = [];
const listOf = (bucket: TableEntry | TableEntry[] | undefined): TableEntry[] =>
  bucket === undefined ? nothing : Array.isArray(bucket) ? bucket : [bucket];

/** What {@link MaskGroup.hash} gives for a packet that has these values. */
function hashOfValues(values: Int32Array): number {
  let hash = 0;
  for (let index = 0; index < values.length; index++) hash = Math.imul(hash ^ (values[index] as number), 0x9e3779b1) ^ (hash >>> 15);
  return hash;
}

/** One flow table: tuple space search, in the order of the highest priority of each group of equal masks. */
export class FlowTable {
  #groups: MaskGroup[] = [];
  readonly #byMask = new Map<string, MaskGroup>();
  readonly #fault: Fault | undefined;
  #conjunctive = 0;
  size = 0;
  lookups = 0n;
  matches = 0n;

  constructor(fault?: Fault) {
    this.#fault = fault;
  }

  /** In no order. */
  *entries(): Generator<TableEntry> {
    for (const group of this.#groups) for (const bucket of group.buckets.values()) yield* listOf(bucket);
  }

  insert(entry: TableEntry): void {
    let group = this.#byMask.get(entry.shape.text);
    const highest = group?.maxPriority;
    if (group === undefined) {
      group = new MaskGroup(entry.shape);
      this.#byMask.set(entry.shape.text, group);
      this.#groups.push(group);
    }
    group.insert(entry);
    this.size++;
    if (entry.clauses.length > 0) this.#conjunctive++;
    if (group.maxPriority !== highest) this.#sort();
  }

  remove(entry: TableEntry): void {
    const group = this.#byMask.get(entry.shape.text);
    const highest = group?.maxPriority;
    if (group === undefined || !group.remove(entry)) return;
    this.size--;
    if (entry.clauses.length > 0) this.#conjunctive--;
    if (group.size === 0) {
      this.#byMask.delete(entry.shape.text);
      this.#groups.splice(this.#groups.indexOf(group), 1);
    } else if (group.maxPriority !== highest) this.#sort();
  }

  /** The entry of the same match and priority. */
  strict(wanted: TableEntry): TableEntry | undefined {
    return this.#byMask.get(wanted.shape.text)?.strict(wanted);
  }

  /** The entry that a packet hits. Bits looked at are added to `consulted`. */
  lookup(key: Key, consulted: Key): TableEntry | undefined {
    this.lookups++;
    const found = this.#conjunctive > 0 ? this.#lookupConjunctive(key, consulted) : this.#best(key, consulted);
    if (found !== undefined) this.matches++;
    return found;
  }

  /** The highest entry without conjunction actions. */
  #best(key: Key, consulted: Key): TableEntry | undefined {
    const ignorePriorities = this.#fault === "tables ignore priorities";
    let best: TableEntry | undefined;
    for (const group of this.#groups) {
      if (best !== undefined && !ignorePriorities && best.priority >= group.maxPriority) break;
      const { words, masks } = group;
      let hash = 0;
      for (let index = 0; index < words.length; index++) {
        const word = words[index] as number;
        const mask = masks[index] as number;
        consulted[word] = (consulted[word] as number) | mask;
        hash = Math.imul(hash ^ ((key[word] as number) & mask), 0x9e3779b1) ^ (hash >>> 15);
      }
      const bucket = group.buckets.get(hash);
      if (bucket === undefined) continue;
      if (!Array.isArray(bucket)) {
        if (
          bucket.clauses.length === 0 &&
          (best === undefined || ignorePriorities || bucket.priority > best.priority) &&
          bucket.matches(key)
        )
          best = bucket;
        continue;
      }
      for (const entry of bucket) {
        if (entry.clauses.length > 0 || (best !== undefined && !ignorePriorities && entry.priority <= best.priority) || !entry.matches(key))
          continue;
        best = entry;
        break;
      }
    }
    return best;
  }

  /**
   * Conjunctions (ovs-fields(7), "Conjunctive Match Fields"): from the highest priority down, either a plain entry, or all clauses of an id at one
   * priority and then the entry for that id.
   */
  #lookupConjunctive(key: Key, consulted: Key): TableEntry | undefined {
    const hard = this.#best(key, consulted);
    const soft: TableEntry[] = [];
    for (const group of this.#groups) {
      for (const [index, word] of group.words.entries()) consulted[word] = (consulted[word] as number) | (group.masks[index] as number);
      for (const entry of group.matching(key)) if (entry.clauses.length > 0 && entry.priority > (hard?.priority ?? -1)) soft.push(entry);
    }
    soft.sort((one, other) => other.priority - one.priority);
    for (let at = 0; at < soft.length; ) {
      const level = soft.filter(({ priority }) => priority === soft[at]?.priority);
      for (const id of this.#satisfied(level)) {
        const before = key[conjunctionWord] as number;
        key[conjunctionWord] = id | 0;
        const entry = this.#best(key, consulted);
        key[conjunctionWord] = before;
        if (entry !== undefined) return entry;
      }
      at += level.length;
    }
    return hard;
  }

  #satisfied(level: readonly TableEntry[]): number[] {
    const found = new Map<number, { readonly clauses: number; readonly seen: Set<number> }>();
    for (const { id, clause, clauses } of level.flatMap((entry): readonly ConjunctionClause[] => entry.clauses)) {
      const state = found.get(id) ?? { clauses, seen: new Set<number>() };
      state.seen.add(clause);
      found.set(id, state);
    }
    const enough = this.#fault === "conjunctions need one clause" ? 1 : undefined;
    return [...found].filter(([, { clauses, seen }]) => seen.size >= (enough ?? clauses)).map(([id]) => id);
  }

  #sort(): void {
    this.#groups.sort((one, other) => other.maxPriority - one.maxPriority);
  }
}
