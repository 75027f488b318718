/** Up to this many items a list is smaller and quicker than a map. */
const listLimit = 8;

/** What all that are empty share; never changed. */
const nothing: never[] = [];

/**
 * Items with a count of reasons each. Nearly all are a handful with one reason each, and there is one for every group of the cluster: a list of exactly their
 * number first, counts when one has several, a map when it grows.
 */
export class Tally<Item> {
  private list: Item[] = nothing;
  /** Absent while every count is one. */
  private counts: number[] | undefined;
  private places: Map<Item, number> | undefined;

  /** Each item once, in no order that means anything. Valid until the next change. */
  get items(): readonly Item[] {
    return this.list;
  }

  /** One more reason for `item`. Returns true when it was the first. */
  add(item: Item): boolean {
    const { list } = this;
    const place = this.placeOf(item);
    if (place >= 0) {
      this.counts ??= list.map(() => 1);
      this.counts[place] = (this.counts[place] ?? 0) + 1;
      return false;
    }
    // A list that grows by itself makes room for 16 more; short ones are made anew instead.
    if (list.length < listLimit) this.list = [...list, item];
    else list.push(item);
    this.counts?.push(1);
    if (this.places !== undefined) this.places.set(item, list.length - 1);
    else if (this.list.length > listLimit) this.places = new Map(this.list.map((each, index) => [each, index]));
    return true;
  }

  /** One reason fewer. Returns true when it was the last. */
  delete(item: Item): boolean {
    const place = this.placeOf(item);
    if (place < 0) return false;
    const { list, counts } = this;
    const count = counts?.[place] ?? 1;
    if (counts !== undefined && count > 1) {
      counts[place] = count - 1;
      return false;
    }
    const lastItem = list.pop();
    const lastCount = counts?.pop();
    this.places?.delete(item);
    if (lastItem !== undefined && place < list.length) {
      list[place] = lastItem;
      if (counts !== undefined) counts[place] = lastCount ?? 1;
      this.places?.set(lastItem, place);
    }
    return true;
  }

  has(item: Item): boolean {
    return this.placeOf(item) >= 0;
  }

  get size(): number {
    return this.list.length;
  }

  private placeOf(item: Item): number {
    return this.places === undefined ? this.list.indexOf(item) : (this.places.get(item) ?? -1);
  }
}
