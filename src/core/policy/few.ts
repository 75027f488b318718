/** Up to this many items a list is smaller and quicker than a hash set. */
const listLimit = 8;

/** What all that are empty share; never changed. */
const nothing: never[] = [];

/**
 * A set that is nearly always small: a list first, a hash set when it grows. A cluster has several for every policy, group and label set, and
 * as hash sets they would be most of the memory. Not to be changed while it is iterated: take a copy.
 */
export class Few<Item> {
  private items: Item[] | Set<Item> = nothing;

  has(item: Item): boolean {
    return Array.isArray(this.items) ? this.items.includes(item) : this.items.has(item);
  }

  add(item: Item): void {
    const { items } = this;
    if (!Array.isArray(items)) items.add(item);
    else if (items.includes(item)) return;
    // A list that is written out has room for exactly that; one that grows has room for 16 more.
    else if (items.length === 0) this.items = [item];
    else if (items.length === 1) this.items = [items[0] as Item, item];
    else if (items.length < listLimit) items.push(item);
    else this.items = new Set([...items, item]);
  }

  /** True when it was there. */
  delete(item: Item): boolean {
    if (!Array.isArray(this.items)) return this.items.delete(item);
    const index = this.items.indexOf(item);
    if (index < 0) return false;
    const last = this.items.pop();
    if (last !== undefined && index < this.items.length) this.items[index] = last;
    return true;
  }

  clear(): void {
    this.items = nothing;
  }

  get size(): number {
    return Array.isArray(this.items) ? this.items.length : this.items.size;
  }

  [Symbol.iterator](): IterableIterator<Item> {
    return this.items[Symbol.iterator]();
  }
}
