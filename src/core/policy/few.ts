import { withItem } from "./exact-list.ts";

/** Up to this many items a list is smaller and quicker than a hash set. */
const listLimit = 8;

/**
 * A set that nearly always has one item, for which nothing is allocated: then a list, then a hash set. A cluster has several for every policy, group
 * and label set, and as hash sets they would be most of the memory. Not to be changed while it is iterated: take a copy.
 */
export class Few<Item> {
  private only: Item | undefined;
  /** All of them, once there were two. */
  private more: Item[] | Set<Item> | undefined;

  has(item: Item): boolean {
    const { more } = this;
    if (more === undefined) return this.only === item;
    return Array.isArray(more) ? more.includes(item) : more.has(item);
  }

  add(item: Item): void {
    const { more } = this;
    if (more === undefined) {
      if (this.only === undefined) this.only = item;
      else if (this.only !== item) {
        this.more = [this.only, item];
        this.only = undefined;
      }
    } else if (!Array.isArray(more)) more.add(item);
    else if (more.includes(item)) return;
    else if (more.length < listLimit) this.more = withItem(more, item);
    else this.more = new Set([...more, item]);
  }

  /** True when it was there. */
  delete(item: Item): boolean {
    const { more } = this;
    if (more === undefined) {
      if (this.only !== item) return false;
      this.only = undefined;
      return true;
    }
    if (!Array.isArray(more)) return more.delete(item);
    const index = more.indexOf(item);
    if (index < 0) return false;
    const last = more.pop();
    if (last !== undefined && index < more.length) more[index] = last;
    return true;
  }

  get size(): number {
    const { more } = this;
    if (more === undefined) return this.only === undefined ? 0 : 1;
    return Array.isArray(more) ? more.length : more.size;
  }

  [Symbol.iterator](): IterableIterator<Item> {
    const items = this.more ?? (this.only === undefined ? [] : [this.only]);
    return items[Symbol.iterator]();
  }
}
