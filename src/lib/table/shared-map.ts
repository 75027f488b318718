/**
 * A map for many rows that other maps of the process have, too: a simulation has thousands of agents that each know all nodes. Where the process says that it has such ({@link shareRows}), rows are in parts of some
 * twenty; once the turn in which a part changed is over, it is never changed again, and is one object for all maps that have a part of the same keys and the very same values. A map's own memory is the list of its
 * parts, and those that no other has; a change takes half as long again. Elsewhere it is a Map.
 *
 * Rows come in no order that says anything.
 */
export interface SharedMap<Key extends string | number, Value> extends Iterable<readonly [Key, Value]> {
  get(key: Key): Value | undefined;
  has(key: Key): boolean;
  set(key: Key, value: Value): void;
  delete(key: Key): boolean;
  keys(): IterableIterator<Key>;
  values(): IterableIterator<Value>;
  readonly size: number;
}

/** Rows of a part on average, at most: a change copies one part, and the list of parts has one place for each. */
const rowsOfPart = 24;
/** A map shrinks when parts are so much emptier than that; between the two nothing moves. */
const emptier = 8;
/** Maps that have the same keys and values of their own have no part in common, and are not searched for more than so many. */
const mostAlike = 4;

/** Rows in the order of their hashes. */
interface Part {
  readonly hashes: number[];
  readonly keys: (string | number)[];
  readonly values: unknown[];
  /** Nobody changes it any more: others may have it. */
  readonly shared: boolean;
}

let sharing = false;

/** From now on maps of this process share their rows: it has many that are nearly the same. */
export function shareRows(): void {
  sharing = true;
}

export const createSharedMap = <Key extends string | number, Value>(): SharedMap<Key, Value> =>
  sharing ? new PartedMap<Key, Value>() : new Map<Key, Value>();

/** Small by itself, as there are many of few rows. Rows come in the order of their keys' hashes; one that is read through while it changes is read as it was, part by part. */
class PartedMap<Key extends string | number, Value> implements SharedMap<Key, Value> {
  #parts: Part[] = empty;
  /** Where parts changed in this turn. */
  #changed: Set<number> | undefined;
  size = 0;

  get(key: Key): Value | undefined {
    const hash = hashOf(key);
    const part = this.#partOf(hash);
    const at = placeOf(part, hash, key);
    return at < 0 ? undefined : (part.values[at] as Value);
  }

  has(key: Key): boolean {
    const hash = hashOf(key);
    return placeOf(this.#partOf(hash), hash, key) >= 0;
  }

  set(key: Key, value: Value): void {
    const hash = hashOf(key);
    const present = this.#partOf(hash);
    const at = placeOf(present, hash, key);
    if (at >= 0) {
      if (present.values[at] !== value) this.#own(hash).values[at] = value;
      return;
    }
    insert(this.#own(hash), hash, key, value);
    if (++this.size > this.#parts.length * rowsOfPart) this.#grow();
  }

  delete(key: Key): boolean {
    const hash = hashOf(key);
    const at = placeOf(this.#partOf(hash), hash, key);
    if (at < 0) return false;
    const part = this.#own(hash);
    for (const column of [part.hashes, part.keys, part.values]) removeAt(column, at);
    if (--this.size * emptier < this.#parts.length * rowsOfPart && this.#parts.length > 1) this.#shrink();
    return true;
  }

  keys(): IterableIterator<Key> {
    return this.#rows(({ keys }, index) => keys[index] as Key);
  }

  values(): IterableIterator<Value> {
    return this.#rows(({ values }, index) => values[index] as Value);
  }

  [Symbol.iterator](): IterableIterator<readonly [Key, Value]> {
    return this.#rows(({ keys, values }, index) => [keys[index] as Key, values[index] as Value] as const);
  }

  /** Makes what changed one with what others have. */
  share(): void {
    const changed = this.#changed ?? [];
    this.#changed = undefined;
    for (const index of changed) {
      const part = this.#parts[index];
      if (part !== undefined) this.#parts[index] = findAlike(part);
    }
    if (this.size === 0) this.#parts = empty;
  }

  #partOf(hash: number): Part {
    return this.#parts[hash & (this.#parts.length - 1)] as Part;
  }

  /** The same part, for changes: one that is not shared has changed in this turn before. */
  #own(hash: number): Part {
    const index = hash & (this.#parts.length - 1);
    const present = this.#parts[index] as Part;
    if (!present.shared) return present;
    if (this.#parts === empty) this.#parts = [...empty];
    const { hashes, keys, values } = present;
    const part = { hashes: hashes.slice(), keys: keys.slice(), values: values.slice(), shared: false };
    this.#parts[index] = part;
    this.#noteChange(index);
    return part;
  }

  #noteChange(index: number): void {
    if (this.#changed === undefined) {
      this.#changed = new Set();
      shareSoon(this);
    }
    this.#changed.add(index);
  }

  /** Each part becomes two, whose rows stay in their order. */
  #grow(): void {
    const before = this.#parts;
    this.#parts = Array.from({ length: before.length * 2 }, newPart);
    for (const { hashes, keys, values } of before)
      for (const [index, hash] of hashes.entries()) {
        const part = this.#partOf(hash);
        part.hashes.push(hash);
        part.keys.push(keys[index] as Key);
        part.values.push(values[index]);
      }
    for (let index = 0; index < this.#parts.length; index++) this.#noteChange(index);
  }

  /** Two parts become one. */
  #shrink(): void {
    const before = this.#parts;
    this.#parts = Array.from({ length: before.length / 2 }, newPart);
    for (const { hashes, keys, values } of before)
      for (const [index, hash] of hashes.entries()) insert(this.#partOf(hash), hash, keys[index] as Key, values[index]);
    for (let index = 0; index < this.#parts.length; index++) this.#noteChange(index);
  }

  *#rows<Row>(pick: (part: Part, index: number) => Row): Generator<Row, undefined> {
    for (const part of [...this.#parts]) {
      const there = part.shared ? part : { ...part, keys: part.keys.slice(), values: part.values.slice() };
      for (let index = 0; index < there.keys.length; index++) yield pick(there, index);
    }
    return undefined;
  }
}

/** Maps that changed in this turn. */
let waiting: { share(): void }[] = [];

/** Promises of the same turn may well change more. Nobody sees when it happens, and no program waits for it. */
function shareSoon(map: { share(): void }): void {
  if (waiting.length === 0)
    setImmediate(() => {
      const due = waiting;
      waiting = [];
      for (const each of due) each.share();
    }).unref();
  waiting.push(map);
}

const newPart = (): Part => ({ hashes: [], keys: [], values: [], shared: false });

function insert(part: Part, hash: number, key: string | number, value: unknown): void {
  const { hashes, keys, values } = part;
  const place = ~placeOf(part, hash, key);
  hashes.push(hash);
  keys.push(key);
  values.push(value);
  for (let index = keys.length - 1; index > place; index--) {
    hashes[index] = hashes[index - 1] as number;
    keys[index] = keys[index - 1] as string | number;
    values[index] = values[index - 1];
  }
  hashes[place] = hash;
  keys[place] = key;
  values[place] = value;
}

function removeAt(column: unknown[], place: number): void {
  for (let index = place + 1; index < column.length; index++) column[index - 1] = column[index];
  column.pop();
}

/** Where the key is; the complement of where it belongs when it is not there. */
function placeOf({ hashes, keys }: Part, hash: number, key: string | number): number {
  let [low, high] = [0, hashes.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((hashes[middle] as number) < hash) low = middle + 1;
    else high = middle;
  }
  // Of equal hashes the keys are in order, so that equal rows are equal parts.
  for (; hashes[low] === hash && (keys[low] as string | number) <= key; low++) if (keys[low] === key) return low;
  return ~low;
}

/** Whoever looks for a key is likely to do something with it next. */
let [lastKey, lastHash] = ["", hashOfAll("")];

function hashOf(key: string | number): number {
  if (typeof key === "number") return mixed(0x811c9dc5 ^ key);
  if (key !== lastKey) [lastKey, lastHash] = [key, hashOfAll(key)];
  return lastHash;
}

function hashOfAll(key: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < key.length; index++) hash = Math.imul(hash ^ key.charCodeAt(index), 0x01000193);
  return mixed(hash);
}

/** All bits have their part in the last ones, by which parts are chosen. */
function mixed(hash: number): number {
  const half = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  const most = Math.imul(half ^ (half >>> 13), 0xc2b2ae35);
  return (most ^ (most >>> 16)) | 0;
}

const noRows: Part = { hashes: [], keys: [], values: [], shared: true };
const empty: Part[] = [noRows];
/** Every part that somebody has, by its hashes: nearly always one, which needs no list around it. It is held by those who have it alone. */
const known = new Map<number, WeakRef<Part> | readonly WeakRef<Part>[]>();
let refs = 0;
let refsAtMost = 1_000;

function findAlike(part: Part): Part {
  if (part.shared) return part;
  if (part.keys.length === 0) return noRows;
  let mark = 0;
  for (const hash of part.hashes) mark = Math.imul(mark ^ hash, 0x9e3779b1) ^ (mark >>> 15);
  const found = refsOf(known.get(mark));
  const there: WeakRef<Part>[] = [];
  for (const ref of found) {
    const other = ref.deref();
    if (other === undefined) continue;
    if (isAlike(part, other)) return other;
    if (there.length < mostAlike - 1) there.push(ref);
  }
  // Lists that grew have room for more, and it will never be used.
  const kept = { hashes: part.hashes.slice(), keys: part.keys.slice(), values: part.values.slice(), shared: true };
  // The latest is what the next one to come is most likely to have, too.
  const ref = new WeakRef<Part>(kept);
  known.set(mark, there.length === 0 ? ref : [ref].concat(there));
  refs += 1 + there.length - found.length;
  if (refs > refsAtMost) forgetGone();
  return kept;
}

const isAlike = (one: Part, other: Part): boolean =>
  one.keys.length === other.keys.length &&
  one.values.every((value, index) => value === other.values[index]) &&
  one.keys.every((key, index) => key === other.keys[index]);

const noRefs: readonly WeakRef<Part>[] = [];
const refsOf = (found: WeakRef<Part> | readonly WeakRef<Part>[] | undefined): readonly WeakRef<Part>[] =>
  found === undefined ? noRefs : found instanceof WeakRef ? [found] : found;

function forgetGone(): void {
  refs = 0;
  for (const [mark, found] of known) {
    const there = refsOf(found).filter((ref) => ref.deref() !== undefined);
    const [only] = there;
    if (only === undefined) known.delete(mark);
    else known.set(mark, there.length === 1 ? only : there);
    refs += there.length;
  }
  refsAtMost = Math.max(1_000, refs * 2);
}
