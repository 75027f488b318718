/** The nodes that came to and went from a span. */
export interface SpanChanges {
  readonly gained: readonly string[];
  readonly lost: readonly string[];
}

/** The reading side of a span: on which nodes something matters. */
export interface SpanView {
  has(node: string): boolean;
  nodes(): IterableIterator<string>;
  readonly size: number;
}

/**
 * Names of nodes with a count of reasons each, which knows how it differs from what was last published. A class and not a closure, because
 * there is one for every policy and group of the cluster.
 */
export class Span implements SpanView {
  private readonly reasons = new Map<string, number>();
  /** Whether each touched node was in when last published. Absent before that, and while nothing changed. */
  private before: Map<string, boolean> | undefined;
  private published = false;

  /** One more reason for `node` to be in. Returns true when it was the first. */
  gain(node: string): boolean {
    const count = this.reasons.get(node) ?? 0;
    this.reasons.set(node, count + 1);
    if (count === 0) this.touch(node, false);
    return count === 0;
  }

  /** One reason fewer. Returns true when it was the last. */
  lose(node: string): boolean {
    const count = this.reasons.get(node) ?? 0;
    if (count > 1) {
      this.reasons.set(node, count - 1);
      return false;
    }
    this.reasons.delete(node);
    this.touch(node, true);
    return true;
  }

  has(node: string): boolean {
    return this.reasons.has(node);
  }

  nodes(): IterableIterator<string> {
    return this.reasons.keys();
  }

  get size(): number {
    return this.reasons.size;
  }

  /** How it differs from the last call. */
  takeChanges(): SpanChanges {
    if (!this.published) {
      this.published = true;
      return { gained: [...this.reasons.keys()], lost: [] };
    }
    if (this.before === undefined) return unchanged;
    const gained: string[] = [];
    const lost: string[] = [];
    for (const [node, was] of this.before) {
      const is = this.reasons.has(node);
      if (is && !was) gained.push(node);
      else if (was && !is) lost.push(node);
    }
    this.before = undefined;
    return { gained, lost };
  }

  private touch(node: string, was: boolean): void {
    if (!this.published) return;
    this.before ??= new Map();
    if (!this.before.has(node)) this.before.set(node, was);
  }
}

const unchanged: SpanChanges = Object.freeze({ gained: [], lost: [] });
