import { createSharedMap } from "#lib/table/index.ts";
import type { Flow } from "../flow.ts";
import type { Fault } from "./faults.ts";
import { type Key, wordOf } from "./layout.ts";
import { type CompiledFlow, type ConjunctionClause, type EntryHome, type MatchShape, matchesKey, TableEntry } from "./table-entry.ts";

const conjunctionWord = wordOf("conj_id");

type Bucket = CompiledFlow | readonly CompiledFlow[];

/** Entries whose matches look at the same bits, by the value of those bits. */
class MaskGroup implements EntryHome {
  readonly words: Int32Array;
  readonly masks: Int32Array;
  /** Nearly always a single one, which needs no list around it. Switches that have the same frozen flows share the memory of most of it. */
  readonly buckets = createSharedMap<number, Bucket>();
  /** Those that do not rest. */
  #kept: Map<CompiledFlow, TableEntry> | undefined;
  /** When those that rest came: the first of them, and all others that did not come with it. */
  #since: number | undefined;
  #sinceOthers: Map<CompiledFlow, number> | undefined;
  /** How many there are of each priority, where there are several. */
  #priorities: Map<number, number> | undefined;
  maxPriority = -1;
  size = 0;

  constructor({ words, masks }: MatchShape) {
    this.words = words;
    this.masks = masks;
  }

  keep(entry: TableEntry): void {
    this.#kept ??= new Map();
    this.#kept.set(entry.compiled, entry);
    this.#sinceOthers?.delete(entry.compiled);
  }

  entryOf(compiled: CompiledFlow): TableEntry {
    const created = this.#sinceOthers?.get(compiled) ?? this.#since ?? 0;
    return this.#kept?.get(compiled) ?? new TableEntry(compiled, { created, home: this });
  }

  *flows(): Generator<CompiledFlow> {
    for (const bucket of this.buckets.values()) yield* listOf(bucket);
  }

  /** Whether its matches look at all bits that `shape` looks at. */
  looksAt(shape: MatchShape): boolean {
    return shape.words.every((word, index) => {
      const at = this.words.indexOf(word);
      const mask = shape.masks[index] as number;
      return at >= 0 && ((this.masks[at] as number) & mask) === mask;
    });
  }

  hash(key: Key): number {
    const { words, masks } = this;
    let hash = 0;
    for (let index = 0; index < words.length; index++)
      hash = Math.imul(hash ^ ((key[words[index] as number] as number) & (masks[index] as number)), 0x9e3779b1) ^ (hash >>> 15);
    return hash;
  }

  /** Those that match, whatever their priority, highest first. */
  *matching(key: Key): Generator<CompiledFlow> {
    for (const compiled of listOf(this.buckets.get(this.hash(key)))) if (matchesKey(compiled, key)) yield compiled;
  }

  strict({ values, priority }: TableEntry): CompiledFlow | undefined {
    return listOf(this.buckets.get(hashOfValues(values))).find(
      ({ flow, values: own }) => flow.priority === priority && values.every((value, index) => own[index] === value),
    );
  }

  insert(entry: TableEntry): void {
    const { compiled, priority, created } = entry;
    entry.home = this;
    if (!entry.rests) this.keep(entry);
    else {
      this.#since ??= created;
      if (this.#since !== created) {
        this.#sinceOthers ??= new Map();
        this.#sinceOthers.set(compiled, created);
      }
    }
    const hash = hashOfValues(entry.values);
    const bucket = this.buckets.get(hash);
    if (bucket === undefined) this.buckets.set(hash, compiled);
    else {
      const at = listOf(bucket).findIndex(({ flow }) => flow.priority < priority);
      this.buckets.set(hash, listOf(bucket).toSpliced(at < 0 ? Number.POSITIVE_INFINITY : at, 0, compiled));
    }
    if (this.size > 0 && priority !== this.maxPriority) this.#priorities ??= new Map([[this.maxPriority, this.size]]);
    this.#priorities?.set(priority, (this.#priorities.get(priority) ?? 0) + 1);
    this.size++;
    this.maxPriority = Math.max(this.maxPriority, priority);
  }

  has({ compiled, values }: TableEntry): boolean {
    return listOf(this.buckets.get(hashOfValues(values))).includes(compiled);
  }

  /** Whether it was there. */
  remove(entry: TableEntry): boolean {
    const { compiled, priority } = entry;
    const hash = hashOfValues(entry.values);
    const bucket = listOf(this.buckets.get(hash));
    if (!bucket.includes(compiled)) return false;
    entry.home = undefined;
    this.#kept?.delete(compiled);
    this.#sinceOthers?.delete(compiled);
    const [only, ...more] = bucket.filter((other) => other !== compiled);
    if (only === undefined) this.buckets.delete(hash);
    else this.buckets.set(hash, more.length === 0 ? only : [only, ...more]);
    this.size--;
    if (this.#priorities === undefined) {
      if (this.size === 0) this.maxPriority = -1;
      return true;
    }
    const left = (this.#priorities.get(priority) ?? 1) - 1;
    if (left > 0) this.#priorities.set(priority, left);
    else {
      this.#priorities.delete(priority);
      if (priority === this.maxPriority) this.maxPriority = Math.max(-1, ...this.#priorities.keys());
    }
    if (this.#priorities.size < 2) this.#priorities = undefined;
    return true;
  }
}

const nothing: readonly CompiledFlow[] = [];
const isList = (bucket: Bucket): bucket is readonly CompiledFlow[] => Array.isArray(bucket);
const listOf = (bucket: Bucket | undefined): readonly CompiledFlow[] =>
  bucket === undefined ? nothing : isList(bucket) ? bucket : [bucket];

/** Whether it asks for these values, of a shape that its own looks at. */
const hasValues = (compiled: CompiledFlow, { shape, values }: Pick<TableEntry, "shape" | "values">): boolean =>
  shape.words.every((word, index) => {
    const own = compiled.values[compiled.shape.words.indexOf(word)] as number;
    return (own & (shape.masks[index] as number)) === values[index];
  });

/** What {@link MaskGroup.hash} gives for a packet that has these values. */
function hashOfValues(values: readonly number[]): number {
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
  /** How many of its entries lead to a group. */
  leading = 0;
  size = 0;
  lookups = 0n;
  matches = 0n;

  constructor(fault?: Fault) {
    this.#fault = fault;
  }

  /** In no order. */
  *entries(): Generator<TableEntry> {
    for (const group of this.#groups) for (const compiled of group.flows()) yield group.entryOf(compiled);
  }

  /** In no order; those whose flow passes. */
  selected(passes: (flow: Flow) => boolean): TableEntry[] {
    const found: TableEntry[] = [];
    for (const group of this.#groups)
      for (const bucket of group.buckets.values())
        if (isList(bucket)) {
          for (const compiled of bucket) if (passes(compiled.flow)) found.push(group.entryOf(compiled));
        } else if (passes(bucket.flow)) found.push(group.entryOf(bucket));
    return found;
  }

  /** In no order; those whose match asks for all that the match of `least` asks for, whatever their priority, and whose flow passes. */
  covered({ shape, values }: TableEntry, passes: (flow: Flow) => boolean): TableEntry[] {
    const found: TableEntry[] = [];
    for (const [text, group] of this.#byMask) {
      const isSame = text === shape.text;
      if (!isSame && !group.looksAt(shape)) continue;
      const among = isSame ? listOf(group.buckets.get(hashOfValues(values))) : group.flows();
      for (const compiled of among)
        if (hasValues(compiled, { shape, values }) && passes(compiled.flow)) found.push(group.entryOf(compiled));
    }
    return found;
  }

  has(entry: TableEntry): boolean {
    return this.#byMask.get(entry.shape.text)?.has(entry) === true;
  }

  insert(entry: TableEntry): void {
    let group = this.#byMask.get(entry.shape.text);
    const highest = group?.maxPriority;
    if (group === undefined) {
      group = new MaskGroup(entry.shape);
      this.#byMask.set(entry.shape.text, group);
      // There are few, and many tables: one that grew has room for a dozen more.
      this.#groups = this.#groups.concat(group);
    }
    group.insert(entry);
    this.size++;
    if (entry.clauses.length > 0) this.#conjunctive++;
    if (entry.compiled.leads) this.leading++;
    if (group.maxPriority !== highest) this.#sort();
  }

  remove(entry: TableEntry): void {
    const group = this.#byMask.get(entry.shape.text);
    const highest = group?.maxPriority;
    if (group === undefined || !group.remove(entry)) return;
    this.size--;
    if (entry.clauses.length > 0) this.#conjunctive--;
    if (entry.compiled.leads) this.leading--;
    if (group.size === 0) {
      this.#byMask.delete(entry.shape.text);
      this.#groups.splice(this.#groups.indexOf(group), 1);
    } else if (group.maxPriority !== highest) this.#sort();
  }

  /** The entry of the same match and priority. */
  strict(wanted: TableEntry): TableEntry | undefined {
    const group = this.#byMask.get(wanted.shape.text);
    const found = group?.strict(wanted);
    return found && group?.entryOf(found);
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
    let best: CompiledFlow | undefined;
    let home: MaskGroup | undefined;
    for (const group of this.#groups) {
      if (best !== undefined && !ignorePriorities && best.flow.priority >= group.maxPriority) break;
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
      for (const compiled of listOf(bucket)) {
        if (compiled.clauses.length > 0 || (best !== undefined && !ignorePriorities && compiled.flow.priority <= best.flow.priority))
          continue;
        if (!matchesKey(compiled, key)) continue;
        [best, home] = [compiled, group];
        break;
      }
    }
    return best && home?.entryOf(best);
  }

  /**
   * Conjunctions (ovs-fields(7), "Conjunctive Match Fields"): from the highest priority down, either a plain entry, or all clauses of an id at one
   * priority and then the entry for that id.
   */
  #lookupConjunctive(key: Key, consulted: Key): TableEntry | undefined {
    const hard = this.#best(key, consulted);
    const soft: CompiledFlow[] = [];
    for (const group of this.#groups) {
      for (const [index, word] of group.words.entries()) consulted[word] = (consulted[word] as number) | (group.masks[index] as number);
      for (const compiled of group.matching(key))
        if (compiled.clauses.length > 0 && compiled.flow.priority > (hard?.priority ?? -1)) soft.push(compiled);
    }
    soft.sort((one, other) => other.flow.priority - one.flow.priority);
    for (let at = 0; at < soft.length; ) {
      const level = soft.filter(({ flow }) => flow.priority === soft[at]?.flow.priority);
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

  #satisfied(level: readonly CompiledFlow[]): number[] {
    const found = new Map<number, { readonly clauses: number; readonly seen: Set<number> }>();
    for (const { id, clause, clauses } of level.flatMap((compiled): readonly ConjunctionClause[] => compiled.clauses)) {
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
