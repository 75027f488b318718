/** A list whose items know their place in it, so that one leaves without being looked for. */
export class Roster<Item> {
  private list: Item[] = empty;

  /** Returns its place. */
  add(item: Item): number {
    const { list } = this;
    // Made anew, a short list has room for exactly its items; one that grows has room for 16 more.
    if (list.length < shortList) this.list = list.concat([item]);
    else list.push(item);
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

const shortList = 8;
/** What all that are empty share; never changed. */
const empty: never[] = [];
