/** Up to this many items a list is smaller and quicker than a hash set. */
const listLimit = 8;

/**
 * A set that is nearly always small: a list first, a hash set when it grows. A cluster has several for every policy, group and label set, and
 * as hash sets they would be most of the memory. Not to be changed while it is iterated: take a copy.
 */
export class Few<Item> {
  private items: Item[] | Set<Item> = [];

  has(item: Item): boolean {
    return Array.isArray(this.items) ? this.items.includes(item) : this.items.has(item);
  }

  add(item: Item): void {
    if (!Array.isArray(this.items)) this.items.add(item);
    else if (this.items.includes(item)) return;
    else if (this.items.length < listLimit) this.items.push(item);
    else this.items = new Set([...this.items, item]);
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
    this.items = [];
  }

  get size(): number {
    return Array.isArray(this.items) ? this.items.length : this.items.size;
  }

  [Symbol.iterator](): IterableIterator<Item> {
    return this.items[Symbol.iterator]();
  }
}
