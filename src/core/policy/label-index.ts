import { Few } from "./few.ts";
import { type Labels, matchesRequirements, type Requirement } from "#lib/kube/selectors.ts";

/** Finds labelled items by requirements: looks only at the items of the rarest label asked for. */
export class LabelledItems<Item> {
  private readonly items = new Set<Item>();
  private readonly byLabel = new TwoLevelSets<Item>();
  private readonly byKey = new Sets<Item>();

  add(item: Item, labels: Labels): void {
    this.items.add(item);
    for (const key in labels) {
      this.byLabel.add(key, labels[key] ?? "", item);
      this.byKey.add(key, item);
    }
  }

  delete(item: Item, labels: Labels): void {
    this.items.delete(item);
    for (const key in labels) {
      this.byLabel.delete(key, labels[key] ?? "", item);
      this.byKey.delete(key, item);
    }
  }

  /** Every item that may match, and likely some that do not. */
  candidates(requirements: readonly Requirement[]): Iterable<Item> & { readonly size: number } {
    let best: Iterable<Item> & { readonly size: number } = this.items;
    for (const { key, operator, values } of requirements) {
      if (operator !== "In" && operator !== "Exists") continue;
      const parts = operator === "Exists" ? [this.byKey.get(key)] : [...new Set(values)].map((value) => this.byLabel.get(key, value));
      const size = parts.reduce((sum, part) => sum + part.size, 0);
      if (size < best.size) best = parts.length === 1 && parts[0] ? parts[0] : new Set(parts.flatMap((part) => [...part]));
    }
    return best;
  }
}

/** What a selector index files: anything that carries requirements. */
export interface Selecting {
  readonly requirements: readonly Requirement[];
}

/** Finds selectors by labels: the inverse of {@link LabelledItems}. */
export class SelectorIndex<Selector extends Selecting> {
  // Made when needed: there is an index for every namespace.
  private byLabel: TwoLevelSets<Selector> | undefined;
  private byKey: Sets<Selector> | undefined;
  private readonly unanchored = new Few<Selector>();

  add(selector: Selector): void {
    const anchor = anchorOf(selector);
    if (anchor === undefined) this.unanchored.add(selector);
    else if (anchor.operator === "Exists") {
      this.byKey ??= new Sets();
      this.byKey.add(anchor.key, selector);
    } else {
      this.byLabel ??= new TwoLevelSets();
      for (const value of anchor.values) this.byLabel.add(anchor.key, value, selector);
    }
  }

  delete(selector: Selector): void {
    const anchor = anchorOf(selector);
    if (anchor === undefined) this.unanchored.delete(selector);
    else if (anchor.operator === "Exists") this.byKey?.delete(anchor.key, selector);
    else for (const value of anchor.values) this.byLabel?.delete(anchor.key, value, selector);
  }

  /** Calls `found` once for every selector that `labels` meet: an object has one value per key, so no selector is come upon twice. */
  matching(labels: Labels, found: (selector: Selector) => void): void {
    const test = (selectors: Few<Selector> | undefined): void => {
      for (const selector of selectors ?? []) if (matchesRequirements(selector.requirements, labels)) found(selector);
    };
    test(this.unanchored);
    for (const key in labels) {
      test(this.byLabel?.get(key, labels[key] ?? ""));
      test(this.byKey?.get(key));
    }
  }
}

/** The requirement that narrows most among those that a match can only meet by a label it has. */
function anchorOf({ requirements }: Selecting): Requirement | undefined {
  let best: Requirement | undefined;
  for (const requirement of requirements) {
    if (requirement.operator === "In" && (best?.operator !== "In" || requirement.values.length < best.values.length)) best = requirement;
    else if (requirement.operator === "Exists" && best === undefined) best = requirement;
  }
  return best;
}

const none = new Few<never>();

class Sets<Item> {
  private readonly sets = new Map<string, Few<Item>>();

  get(key: string): Few<Item> {
    return this.sets.get(key) ?? none;
  }

  add(key: string, item: Item): void {
    let found = this.sets.get(key);
    if (found === undefined) {
      found = new Few();
      this.sets.set(key, found);
    }
    found.add(item);
  }

  delete(key: string, item: Item): void {
    const found = this.sets.get(key);
    if (found?.delete(item) && found.size === 0) this.sets.delete(key);
  }

  get empty(): boolean {
    return this.sets.size === 0;
  }
}

class TwoLevelSets<Item> {
  private readonly byKey = new Map<string, Sets<Item>>();

  get(key: string, value: string): Few<Item> {
    return this.byKey.get(key)?.get(value) ?? none;
  }

  add(key: string, value: string, item: Item): void {
    let values = this.byKey.get(key);
    if (values === undefined) {
      values = new Sets();
      this.byKey.set(key, values);
    }
    values.add(value, item);
  }

  delete(key: string, value: string, item: Item): void {
    const values = this.byKey.get(key);
    values?.delete(value, item);
    if (values?.empty) this.byKey.delete(key);
  }
}
