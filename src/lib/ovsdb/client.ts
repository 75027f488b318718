import type { ReadTable } from "#lib/table/index.ts";
import type { Database, RowOf } from "./declaration.ts";
import type { Operation, OperationResult } from "./operations.ts";

/** The columns to follow, per table. */
export type Selection<D extends Database> = {
  readonly [Table in keyof D["tables"]]?: readonly (keyof D["tables"][Table] & string)[];
};

/** The tables of a replica: rows by UUID, with an index `name` where that column is followed. */
export type ReplicaTables<D extends Database, S extends Selection<D>> = {
  readonly [Table in keyof S & keyof D["tables"]]: ReadTable<
    RowOf<D["tables"][Table], S[Table] extends readonly (infer Name)[] ? Name & keyof D["tables"][Table] : never>
  >;
};

/** A local copy of part of the database that follows it; it keeps its rows while the connection is down and repairs them when it is back. */
export interface Replica<D extends Database, S extends Selection<D>> {
  readonly tables: ReplicaTables<D, S>;
  /** Hears after each update of the server has been applied in full (one transaction of anybody). Returns the way to stop. */
  onChange(listener: () => void): () => void;
  /** True from the first full content on. */
  readonly synced: boolean;
  whenSynced(): Promise<void>;
  /** Resolves with the first defined answer of `find`, asked now and after each update. Rejects when it throws, when `signal` aborts, or the client closes. */
  until<T>(find: (tables: ReplicaTables<D, S>) => T | undefined, signal?: AbortSignal): Promise<T>;
}

/** A connection to one database that comes back by itself. */
export interface OvsdbClient<D extends Database> {
  readonly connected: boolean;
  /** Hears every change of {@link connected}. Returns the way to stop. */
  onConnection(listener: (connected: boolean) => void): () => void;
  monitor<const S extends Selection<D>>(selection: S): Replica<D, S>;
  /** Runs the operations as one atomic transaction. Rejects with TransactionFailed, or OvsdbDisconnected when the fate is unknown. */
  transact(operations: readonly Operation<D>[]): Promise<readonly OperationResult[]>;
  /**
   * As {@link transact}, sharing one transaction with the other callers that wait meanwhile (twenty pods at once cost two transactions).
   * One caller's failure is its own: the others are then run again without it. Named UUIDs are the caller's own. Not for `wait` or `abort`.
   */
  batch(operations: readonly Operation<D>[]): Promise<readonly OperationResult[]>;
  /** Ends the connection; open requests reject. */
  close(): void;
}
