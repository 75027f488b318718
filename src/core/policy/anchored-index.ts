import { Few } from "./few.ts";
import type { Label, LabelContent, LabelKey, RequirementSet } from "./labels.ts";

/** What an index files: anything that asks for labels. */
export interface Asking {
  readonly requirements: RequirementSet;
}

/** Up to this many, testing all of them is quicker than looking labels up. */
const indexAbove = 16;

/** Finds those that ask for labels by the labels an object has. There is one for every namespace: it is a list until it grows. */
export class AnchoredIndex<Item extends Asking> {
  private readonly all = new Few<Item>();
  private anchors: Anchors<Item> | undefined;

  add(item: Item): void {
    this.all.add(item);
    if (this.anchors !== undefined) this.anchors.add(item);
    else if (this.all.size > indexAbove) {
      this.anchors = new Anchors();
      for (const each of this.all) this.anchors.add(each);
    }
  }

  delete(item: Item): void {
    this.all.delete(item);
    this.anchors?.delete(item);
  }

  /** Calls `found` once for each item whose requirements `content` meets. */
  matching(content: LabelContent, found: (item: Item) => void): void {
    if (this.anchors === undefined) test(this.all, content, found);
    else this.anchors.matching(content, found);
  }

  /** All that ask for exactly these labels, and some others. */
  withAnchorOf(requirements: RequirementSet): Iterable<Item> {
    return this.anchors === undefined ? this.all : this.anchors.withAnchorOf(requirements);
  }
}

/** Items by what narrows them most. */
class Anchors<Item extends Asking> {
  private readonly byAnchor = new Map<Label | LabelKey, Few<Item>>();
  private readonly unanchored = new Few<Item>();

  add(item: Item): void {
    const { anchor } = item.requirements;
    if (anchor === undefined) this.unanchored.add(item);
    else if (Array.isArray(anchor)) for (const label of anchor) this.file(label, item);
    else this.file(anchor as Label | LabelKey, item);
  }

  delete(item: Item): void {
    const { anchor } = item.requirements;
    if (anchor === undefined) this.unanchored.delete(item);
    else if (Array.isArray(anchor)) for (const label of anchor) this.unfile(label, item);
    else this.unfile(anchor as Label | LabelKey, item);
  }

  /** An object has one value for each key, so that no item is come upon twice. */
  matching(content: LabelContent, found: (item: Item) => void): void {
    test(this.unanchored, content, found);
    for (const label of content.labels) {
      test(this.byAnchor.get(label), content, found);
      test(this.byAnchor.get(label.key), content, found);
    }
  }

  withAnchorOf({ anchor }: RequirementSet): Iterable<Item> {
    if (anchor === undefined) return this.unanchored;
    return this.byAnchor.get((Array.isArray(anchor) ? anchor[0] : anchor) as Label | LabelKey) ?? [];
  }

  private file(anchor: Label | LabelKey, item: Item): void {
    let items = this.byAnchor.get(anchor);
    if (items === undefined) {
      items = new Few();
      this.byAnchor.set(anchor, items);
    }
    items.add(item);
  }

  private unfile(anchor: Label | LabelKey, item: Item): void {
    const items = this.byAnchor.get(anchor);
    if (items?.delete(item) && items.size === 0) this.byAnchor.delete(anchor);
  }
}

function test<Item extends Asking>(items: Few<Item> | undefined, content: LabelContent, found: (item: Item) => void): void {
  if (items === undefined) return;
  for (const item of items) if (item.requirements.matches(content)) found(item);
}
