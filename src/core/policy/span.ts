import { Tally } from "./tally.ts";

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

/** Names of nodes with a count of reasons each, which knows how it differs from the last flush. */
export class Span implements SpanView {
  private readonly tally = new Tally<string>();
  /** Whether each touched node was in at the last flush. */
  private before: Map<string, boolean> | undefined;
  /** Made since the last flush: all of it is new. */
  private fresh: boolean;
  private difference: SpanChanges | undefined;

  /** `former`: what was published as this span before there was one. */
  constructor(former?: Iterable<string>) {
    for (const node of former ?? []) this.tally.add(node);
    this.fresh = former === undefined;
  }

  /** One more reason for `node` to be in. */
  gain(node: string): void {
    if (this.tally.add(node)) this.touch(node, false);
  }

  /** One reason fewer. */
  lose(node: string): void {
    if (this.tally.delete(node)) this.touch(node, true);
  }

  has(node: string): boolean {
    return this.tally.has(node);
  }

  nodes(): readonly string[] {
    return this.tally.items;
  }

  get size(): number {
    return this.tally.size;
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

  private touch(node: string, was: boolean): void {
    if (this.fresh) return;
    this.before ??= new Map();
    if (!this.before.has(node)) this.before.set(node, was);
  }
}
