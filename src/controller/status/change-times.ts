import type { PolicyChange } from "#core/policy/index.ts";

interface Told {
  readonly generation: number;
  /** Undefined: it was there before this process. */
  readonly at: number | undefined;
  /** Nodes that came into its span later. */
  readonly joined: Map<string, number>;
}

/** When what a node has to prove was told to it, in the monotonic time of this process: for how long enforcement took. */
export class ChangeTimes {
  private readonly byPolicy = new Map<string, Told>();
  private started = false;

  /** To be called with every change that was published; the first is what was there before this process. */
  take(changes: readonly PolicyChange[], at: number): void {
    for (const { name, event, row, gained, lost } of changes) {
      const before = this.byPolicy.get(name);
      if (event === "deleted") this.byPolicy.delete(name);
      else if (before?.generation === row.generation) {
        for (const node of lost) before.joined.delete(node);
        for (const node of gained) before.joined.set(node, at);
      } else this.byPolicy.set(name, { generation: row.generation, at: this.started ? at : undefined, joined: new Map() });
    }
    this.started = true;
  }

  /** Undefined when that is not known. */
  of(policy: string, generation: number, node: string): number | undefined {
    const told = this.byPolicy.get(policy);
    return told?.generation === generation ? (told.joined.get(node) ?? told.at) : undefined;
  }
}
