/**
 * A map for many rows that other maps of the process have, too: a simulation has thousands of agents that each know all nodes. Its rows are in parts of some twenty; once the turn in
 * which a part changed is over, it is never changed again, and is one object for all maps that have a part of the same keys and the very same values. A map's own memory is the list of
 * its parts, and those that no other has.
 *
 * Rows come in an order that follows from the keys alone. A map that is read through while it changes is read as it was, part by part.
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
  shared: boolean;
}

export function createSharedMap<Key extends string | number, Value>(): SharedMap<Key, Value> {
  let parts: Part[] = [noRows];
  /** Where parts changed in this turn. */
  const changed = new Set<number>();
  let size = 0;

  const share = (): void => {
    for (const index of changed) {
      const part = parts[index];
      if (part !== undefined) parts[index] = findAlike(part);
    }
    changed.clear();
  };
  const noteChange = (index: number): void => {
    // Promises of the same turn may well change more. Nobody sees when it happens, and no program waits for it.
    if (changed.size === 0) setImmediate(share).unref();
    changed.add(index);
  };
  const partOf = (hash: number): Part => parts[hash & (parts.length - 1)] as Part;
  /** The same part, for changes: one that is not shared has changed in this turn before. */
  const own = (hash: number): Part => {
    const index = hash & (parts.length - 1);
    const present = parts[index] as Part;
    if (!present.shared) return present;
    const { hashes, keys, values } = present;
    const part = { hashes: hashes.slice(), keys: keys.slice(), values: values.slice(), shared: false };
    parts[index] = part;
    noteChange(index);
    return part;
  };
  /** Each part becomes two, whose rows stay in their order. */
  const grow = (): void => {
    const before = parts;
    parts = Array.from({ length: before.length * 2 }, newPart);
    for (const { hashes, keys, values } of before)
      for (const [index, hash] of hashes.entries()) {
        const part = partOf(hash);
        part.hashes.push(hash);
        part.keys.push(keys[index] as Key);
        part.values.push(values[index]);
      }
    for (let index = 0; index < parts.length; index++) noteChange(index);
  };
  /** Two parts become one. */
  const shrink = (): void => {
    const before = parts;
    parts = Array.from({ length: before.length / 2 }, newPart);
    changed.clear();
    for (const { hashes, keys, values } of before)
      for (const [index, hash] of hashes.entries()) insert(partOf(hash), hash, keys[index] as Key, values[index]);
    for (let index = 0; index < parts.length; index++) noteChange(index);
  };
  function* rows<Row>(pick: (part: Part, index: number) => Row): Generator<Row, undefined> {
    for (const part of [...parts]) {
      const there = part.shared ? part : { ...part, keys: part.keys.slice(), values: part.values.slice() };
      for (let index = 0; index < there.keys.length; index++) yield pick(there, index);
    }
    return undefined;
  }

  return {
    get(key) {
      const hash = hashOf(key);
      const part = partOf(hash);
      const at = placeOf(part, hash, key);
      return at < 0 ? undefined : (part.values[at] as Value);
    },
    has(key) {
      const hash = hashOf(key);
      return placeOf(partOf(hash), hash, key) >= 0;
    },
    set(key, value) {
      const hash = hashOf(key);
      const present = partOf(hash);
      const at = placeOf(present, hash, key);
      if (at >= 0) {
        if (present.values[at] !== value) own(hash).values[at] = value;
        return;
      }
      insert(own(hash), hash, key, value);
      if (++size > parts.length * rowsOfPart) grow();
    },
    delete(key) {
      const hash = hashOf(key);
      const at = placeOf(partOf(hash), hash, key);
      if (at < 0) return false;
      const part = own(hash);
      for (const column of [part.hashes, part.keys, part.values]) removeAt(column, at);
      if (--size * emptier < parts.length * rowsOfPart && parts.length > 1) shrink();
      return true;
    },
    keys: () => rows(({ keys }, index) => keys[index] as Key),
    values: () => rows(({ values }, index) => values[index] as Value),
    [Symbol.iterator]: () => rows(({ keys, values }, index) => [keys[index] as Key, values[index] as Value] as const),
    get size() {
      return size;
    },
  };
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
/** Every part that somebody has, by its hashes. It is held by those who have it alone. */
const known = new Map<number, WeakRef<Part>[]>();
let refs = 0;
let refsAtMost = 1_000;

function findAlike(part: Part): Part {
  if (part.shared) return part;
  if (part.keys.length === 0) return noRows;
  let mark = 0;
  for (const hash of part.hashes) mark = Math.imul(mark ^ hash, 0x9e3779b1) ^ (mark >>> 15);
  const found = known.get(mark) ?? [];
  for (const ref of found) {
    const other = ref.deref();
    if (other !== undefined && isAlike(part, other)) return other;
  }
  part.shared = true;
  // The latest is what the next one to come is most likely to have, too.
  known.set(mark, [new WeakRef(part), ...found.slice(0, mostAlike - 1)]);
  refs += 1 - Math.max(0, found.length - (mostAlike - 1));
  if (refs > refsAtMost) forgetGone();
  return part;
}

const isAlike = (one: Part, other: Part): boolean =>
  one.keys.length === other.keys.length &&
  one.values.every((value, index) => value === other.values[index]) &&
  one.keys.every((key, index) => key === other.keys[index]);

function forgetGone(): void {
  refs = 0;
  for (const [mark, found] of known) {
    const there = found.filter((ref) => ref.deref() !== undefined);
    if (there.length === 0) known.delete(mark);
    else known.set(mark, there);
    refs += there.length;
  }
  refsAtMost = Math.max(1_000, refs * 2);
}
