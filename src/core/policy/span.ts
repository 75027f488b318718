/** The nodes that came to and went from a span. */
export interface SpanChanges {
  readonly gained: readonly string[];
  readonly lost: readonly string[];
}

/** The reading side of a span: on which nodes something matters. */
export interface SpanView {
  has(node: string): boolean;
  nodes(): Iterable<string>;
  readonly size: number;
}

export const unchanged: SpanChanges = Object.freeze({ gained: Object.freeze([]), lost: Object.freeze([]) });

/** With more reasons than this they are kept counted; fewer are gone through again, which is quicker than it takes to hold them. */
const countedAbove = 32;

/**
 * Names of nodes, which know how they differ from the last flush. Nearly all spans are a handful of names and never change, so that is all they hold; how many
 * reasons there are for each node is known only to one that is large and did change.
 */
export class Span implements SpanView {
  /** Undefined when they are to be read from the counts. */
  private names: readonly string[] | undefined;
  private counts: Map<string, number> | undefined;
  /** Whether each touched node was in at the last flush. */
  private before: Map<string, boolean> | undefined;
  /** Made since the last flush: all of it is new. */
  private fresh: boolean;
  private difference: SpanChanges | undefined;
  /** Of a large one that is not counted, when somebody asked. */
  private lookup: Set<string> | undefined;

  private constructor(names: readonly string[], fresh: boolean) {
    this.names = names;
    this.fresh = fresh;
  }

  /** Made since the last flush; each node is named once. */
  static of(names: readonly string[]): Span {
    return new Span(names, true);
  }

  /** What was published as this span before there was one. */
  static from(former: readonly string[]): Span {
    return new Span(former, false);
  }

  /** Whether {@link gain} and {@link lose} keep it right. Otherwise {@link recount} does. */
  get counted(): boolean {
    return this.counts !== undefined;
  }

  /** Makes it what `eachReason` tells: one node for each reason. */
  recount(eachReason: (reason: (node: string) => void) => void): void {
    const counts = new Map<string, number>();
    let reasons = 0;
    eachReason((node) => {
      counts.set(node, (counts.get(node) ?? 0) + 1);
      reasons++;
    });
    const former = new Set(this.nodes());
    for (const node of former) if (!counts.has(node)) this.touch(node, true);
    for (const node of counts.keys()) if (!former.has(node)) this.touch(node, false);
    this.names = [...counts.keys()];
    this.lookup = undefined;
    this.counts = reasons > countedAbove ? counts : undefined;
  }

  /** One more reason for `node` to be in. Every node of a span that was never counted has one. */
  gain(node: string): void {
    const counts = this.count();
    const reasons = counts.get(node) ?? 0;
    counts.set(node, reasons + 1);
    if (reasons > 0) return;
    this.names = undefined;
    this.touch(node, false);
  }

  /** One reason fewer. */
  lose(node: string): void {
    const counts = this.count();
    const reasons = counts.get(node);
    if (reasons === undefined) return;
    if (reasons > 1) {
      counts.set(node, reasons - 1);
      return;
    }
    counts.delete(node);
    this.names = undefined;
    this.touch(node, true);
  }

  has(node: string): boolean {
    if (this.counts !== undefined) return this.counts.has(node);
    const names = this.nodes();
    if (names.length <= countedAbove) return names.includes(node);
    this.lookup ??= new Set(names);
    return this.lookup.has(node);
  }

  nodes(): readonly string[] {
    this.names ??= [...(this.counts?.keys() ?? [])];
    return this.names;
  }

  get size(): number {
    return this.counts?.size ?? this.nodes().length;
  }

  /** Whether it may differ from the last flush. */
  get touched(): boolean {
    return this.fresh || this.before !== undefined;
  }

  /** How it differs from the last flush. To be asked when nothing changes it any more before {@link settle}. */
  changes(): SpanChanges {
    if (this.fresh) return { gained: this.nodes(), lost: unchanged.lost };
    if (this.before === undefined) return unchanged;
    this.difference ??= {
      gained: [...this.before].filter(([node, was]) => !was && this.has(node)).map(([node]) => node),
      lost: [...this.before].filter(([node, was]) => was && !this.has(node)).map(([node]) => node),
    };
    return this.difference;
  }

  /** Whether `node` was in at the last flush. */
  had(node: string): boolean {
    return !this.fresh && (this.before?.get(node) ?? this.has(node));
  }

  /** The nodes that were in at the last flush. */
  formerNodes(): readonly string[] {
    if (this.fresh) return unchanged.lost;
    if (this.before === undefined) return this.nodes();
    return [...this.nodes().filter((node) => this.had(node)), ...this.changes().lost];
  }

  /** What is in now was published. */
  settle(): void {
    this.fresh = false;
    this.before = undefined;
    this.difference = undefined;
  }

  /** One reason each, unless more were counted. */
  private count(): Map<string, number> {
    this.lookup = undefined;
    this.counts ??= new Map(this.names?.map((node) => [node, 1]));
    return this.counts;
  }

  private touch(node: string, was: boolean): void {
    if (this.fresh) return;
    this.before ??= new Map();
    if (!this.before.has(node)) this.before.set(node, was);
  }
}
