/** Items with a count of reasons each. Nearly always there is one item, for which nothing is allocated. */
export class Tally<Item> {
  private only: Item | undefined;
  private reasons = 0;
  /** All of them, once there were two. */
  private more: Map<Item, number> | undefined;

  /** One more reason for `item`. Returns true when it was the first. */
  add(item: Item): boolean {
    const { more } = this;
    if (more !== undefined) {
      const reasons = more.get(item) ?? 0;
      more.set(item, reasons + 1);
      return reasons === 0;
    }
    if (this.reasons === 0) this.only = item;
    else if (this.only !== item) {
      this.more = new Map([
        [this.only as Item, this.reasons],
        [item, 1],
      ]);
      this.only = undefined;
      return true;
    }
    this.reasons++;
    return this.reasons === 1;
  }

  /** One reason fewer. Returns true when it was the last. */
  delete(item: Item): boolean {
    const { more } = this;
    if (more === undefined) {
      if (this.only !== item || this.reasons === 0) return false;
      this.reasons--;
      if (this.reasons > 0) return false;
      this.only = undefined;
      return true;
    }
    const reasons = more.get(item);
    if (reasons === undefined) return false;
    if (reasons > 1) more.set(item, reasons - 1);
    else more.delete(item);
    return reasons === 1;
  }

  has(item: Item): boolean {
    return this.more === undefined ? this.reasons > 0 && this.only === item : this.more.has(item);
  }

  get size(): number {
    return this.more === undefined ? Math.min(this.reasons, 1) : this.more.size;
  }

  /** Each item once, in no order that means anything. Not to be changed while it is iterated. */
  [Symbol.iterator](): IterableIterator<Item> {
    if (this.more !== undefined) return this.more.keys();
    const items = this.reasons === 0 ? [] : [this.only as Item];
    return items[Symbol.iterator]();
  }
}
