import { emptyList, withItem } from "./exact-list.ts";

/** Up to this many items comparing keys is quicker and smaller than a hash map. */
const listLimit = 8;

/** Items by a key that they carry. There are several for every namespace, and nearly all of them are small: a list until it grows. */
export class KeyedFew<Key, Item> {
  private readonly keyOf: (item: Item) => Key;
  private list: Item[] = emptyList;
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
    else if (list.length < listLimit) this.list = withItem(list, item);
    else {
      this.map = new Map(list.map((each) => [keyOf(each), each]));
      this.map.set(keyOf(item), item);
      this.list = emptyList;
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
