import { emptyList, withItem } from "./exact-list.ts";

/** A list whose items know their place in it, so that one leaves without being looked for. */
export class Roster<Item> {
  private list: Item[] = emptyList;

  /** Returns its place. */
  add(item: Item): number {
    this.list = withItem(this.list, item);
    return this.list.length - 1;
  }

  /** Takes out the item at `place`. Returns the one that is there from then on, if that is another. */
  remove(place: number): Item | undefined {
    const last = this.list.pop();
    if (last === undefined || place === this.list.length) return undefined;
    this.list[place] = last;
    return last;
  }

  /** In no order that means anything. Valid until the next change. */
  get items(): readonly Item[] {
    return this.list;
  }

  get size(): number {
    return this.list.length;
  }
}
