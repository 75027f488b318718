/** Up to this many items comparing keys is quicker and smaller than a hash map. */
const listLimit = 8;

/** Items by a key that they carry. There are several for every namespace, and nearly all of them are small: a list until it grows. */
export class KeyedFew<Key, Item> {
  private readonly keyOf: (item: Item) => Key;
  private list: Item[] = empty;
  private map: Map<Key, Item> | undefined;

  constructor(keyOf: (item: Item) => Key) {
    this.keyOf = keyOf;
  }

  get(key: Key): Item | undefined {
    if (this.map !== undefined) return this.map.get(key);
    for (const item of this.list) if (this.keyOf(item) === key) return item;
    return undefined;
  }

  /** Of an item whose key is not there yet. */
  add(item: Item): void {
    const { list, map, keyOf } = this;
    if (map !== undefined) map.set(keyOf(item), item);
    // Made anew, it has room for exactly its items; one that grows has room for 16 more.
    else if (list.length < listLimit) this.list = list.concat([item]);
    else {
      this.map = new Map(list.map((each) => [keyOf(each), each]));
      this.map.set(keyOf(item), item);
      this.list = empty;
    }
  }

  delete(item: Item): void {
    if (this.map !== undefined) this.map.delete(this.keyOf(item));
    else this.list = this.list.filter((other) => other !== item);
  }

  get size(): number {
    return this.map?.size ?? this.list.length;
  }

  [Symbol.iterator](): IterableIterator<Item> {
    return this.map?.values() ?? this.list.values();
  }
}

/** What all that are empty share; never changed. */
const empty: never[] = [];
