/** One object as it lies on disk. */
export interface StoredRecord {
  /** Group and plural: `apps/deployments`, `/pods`. */
  readonly resource: string;
  readonly namespace: string;
  readonly name: string;
  /** The object as JSON; null when it was removed. */
  readonly json: string | null;
}

/** What one commit makes true, all of it or nothing. */
export interface Batch {
  /** The newest revision in the batch; greater than every revision before. */
  readonly revision: number;
  readonly records: readonly StoredRecord[];
}

export interface StoredState {
  readonly revision: number;
  readonly records: Iterable<StoredRecord>;
}

/** Where durable objects live. Used by one server at a time. */
export interface Storage {
  /** Everything that was committed. Called once, before the first commit. */
  load(): StoredState;
  /** Calls `commit` once, soon: writes made until then go to disk together. */
  gather(commit: () => void): void;
  /** Returns when the batch would survive a power failure; throws when it would not, and then nothing of it is kept. */
  commit(batch: Batch): void;
  close(): void;
}

/** Keeps nothing beyond the process: tests, simulations, aggregated servers. */
export function memoryStorage(): Storage {
  return { load: () => ({ revision: 0, records: [] }), gather: queueMicrotask, commit() {}, close() {} };
}
