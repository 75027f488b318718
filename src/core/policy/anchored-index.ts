import { Few } from "./few.ts";
import { type Label, type LabelContent, LabelKey, type RequirementSet } from "./labels.ts";

/** What an index files: anything that asks for labels. */
export interface Asking {
  readonly requirements: RequirementSet;
}

/** Up to this many, testing all of them is quicker than looking labels up. */
const indexAbove = 16;

/** Finds those that ask for labels by the labels an object has. There is one for every namespace: it is a list until it grows. */
export class AnchoredIndex<Item extends Asking> {
  private readonly all = new Few<Item>();
  private byAnchor: Map<Label | LabelKey, Few<Item>> | undefined;
  private readonly unanchored = new Few<Item>();

  add(item: Item): void {
    this.all.add(item);
    if (this.byAnchor !== undefined) this.file(item);
    else if (this.all.size > indexAbove) {
      this.byAnchor = new Map();
      for (const each of this.all) this.file(each);
    }
  }

  delete(item: Item): void {
    this.all.delete(item);
    if (this.byAnchor === undefined) return;
    const { anchor } = item.requirements;
    if (anchor === undefined) this.unanchored.delete(item);
    else if (anchor instanceof LabelKey) this.unfile(anchor, item);
    else for (const label of anchor) this.unfile(label, item);
  }

  /** Calls `found` once for each item whose requirements `content` meets: an object has one value per key, so none is come upon twice. */
  matching(content: LabelContent, found: (item: Item) => void): void {
    if (this.byAnchor === undefined) {
      test(this.all, content, found);
      return;
    }
    test(this.unanchored, content, found);
    for (const label of content.labels) {
      test(this.byAnchor.get(label), content, found);
      test(this.byAnchor.get(label.key), content, found);
    }
  }

  [Symbol.iterator](): IterableIterator<Item> {
    return this.all[Symbol.iterator]();
  }

  private file(item: Item): void {
    const { anchor } = item.requirements;
    if (anchor === undefined) this.unanchored.add(item);
    else if (anchor instanceof LabelKey) this.fileUnder(anchor, item);
    else for (const label of anchor) this.fileUnder(label, item);
  }

  private fileUnder(anchor: Label | LabelKey, item: Item): void {
    let items = this.byAnchor?.get(anchor);
    if (items === undefined) {
      items = new Few();
      this.byAnchor?.set(anchor, items);
    }
    items.add(item);
  }

  private unfile(anchor: Label | LabelKey, item: Item): void {
    const items = this.byAnchor?.get(anchor);
    if (items?.delete(item) && items.size === 0) this.byAnchor?.delete(anchor);
  }
}

function test<Item extends Asking>(items: Few<Item> | undefined, content: LabelContent, found: (item: Item) => void): void {
  if (items === undefined) return;
  for (const item of items) if (item.requirements.matches(content)) found(item);
}
