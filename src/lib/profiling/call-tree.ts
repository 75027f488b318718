/** Where a function is: its name, and its file and first line where it has any. */
export interface Frame {
  readonly functionName: string;
  readonly url: string;
  /** From 0; −1 for what has no source, as the garbage collector. */
  readonly lineNumber: number;
}

/** A function as it was called, by whom, and what was counted in it itself; `values` in the order of {@link CallTree.counts}. */
export interface Call {
  readonly frame: Frame;
  readonly caller: Call | undefined;
  readonly values: readonly number[];
}

/** What a profile counts: `samples` in `count`, `cpu` in `nanoseconds`. */
export interface Counted {
  readonly type: string;
  readonly unit: string;
}

/** What was seen of a process for a while, in calls that have at least one count. */
export interface CallTree {
  readonly counts: readonly Counted[];
  readonly calls: readonly Call[];
  /** What a sample stands for, in units of the last count: 10 ms of processor time, 64 KiB. */
  readonly period: number;
  /** Milliseconds since the Unix epoch. */
  readonly began: number;
  /** Milliseconds. */
  readonly took: number;
}
