import { DuplicateInitializer } from "./errors.ts";
import { createSharedMap } from "./shared-map.ts";

/** What happened to one row. `before` is absent for a new row, `after` for one that went. */
export interface Change<Row> {
  readonly key: string;
  readonly before?: Row;
  readonly after?: Row;
}

/** The reading side of a table: what most code gets. */
export interface ReadTable<Row> {
  readonly name: string;
  get(key: string): Row | undefined;
  rows(): IterableIterator<Row>;
  readonly size: number;
  /** The rows that `index` files under `value`. */
  by(index: string, value: string): readonly Row[];
  /** Grows with every change; equal numbers mean equal content. */
  readonly revision: number;
  /** Hears every later change, in order, while it is made. With `replay`, first hears each present row as new. Returns the way to stop. */
  subscribe(listener: (change: Change<Row>) => void, options?: { readonly replay?: boolean }): () => void;
  /** True when every source that said it would fill this table has done so: nothing may be deleted from a target before. */
  readonly synced: boolean;
  /** Resolves when {@link synced} becomes true. */
  whenSynced(): Promise<void>;
}

/** A table of frozen rows by key. A row never changes: it is replaced. One writer validates; everybody else reads. */
export interface Table<Row> extends ReadTable<Row> {
  /** Adds or replaces. A row that is deeply unchanged by `same` is left alone and nobody hears of it. Returns whether anything changed. */
  upsert(row: Row): boolean;
  delete(key: string): boolean;
  /** Makes the content exactly `rows`, with the least changes. */
  replace(rows: Iterable<Row>): void;
  /** Announces a source by name; call the result once it has delivered its first full content. */
  initializer(name: string): () => void;
}

export interface TableOptions<Row> {
  readonly name: string;
  readonly key: (row: Row) => string;
  /** Named indexes: each gives the values a row is found by. */
  readonly indexes?: Readonly<Record<string, (row: Row) => readonly string[]>>;
  /** Whether a replacement is no change. Default: identity. */
  readonly same?: (before: Row, after: Row) => boolean;
  /** Many tables of the process have the very same rows: they share the memory that holds them ({@link createSharedMap}), and rows come in no order that says anything. */
  readonly manyAlike?: boolean;
}

/** What has a value of an index, by its key: nearly always one row, which needs no map around it. */
type Found<Row> = Row | Map<string, Row>;

export function createTable<Row extends object>({
  name,
  key,
  indexes = {},
  same = Object.is,
  manyAlike = false,
}: TableOptions<Row>): Table<Row> {
  const byKey = manyAlike ? createSharedMap<string, Row>() : new Map<string, Row>();
  const filed = new Map(Object.keys(indexes).map((index) => [index, new Map<string, Found<Row>>()]));
  const listeners = new Set<(change: Change<Row>) => void>();
  const waitingFor = new Set<string>();
  let announced = new Set<string>();
  let waiters: (() => void)[] = [];
  let revision = 0;

  const file = (row: Row, rowKey: string, action: "add" | "remove"): void => {
    for (const [index, valuesOf] of Object.entries(indexes)) {
      const values = filed.get(index);
      if (values === undefined) continue;
      for (const value of valuesOf(row)) {
        const found = values.get(value);
        if (action === "add") {
          if (found === undefined) values.set(value, row);
          else if (found instanceof Map) found.set(rowKey, row);
          else if (key(found) === rowKey) values.set(value, row);
          else values.set(value, new Map([found, row].map((each) => [key(each), each])));
        } else if (!(found instanceof Map)) {
          if (found !== undefined && key(found) === rowKey) values.delete(value);
        } else if (found.delete(rowKey) && found.size === 0) values.delete(value);
      }
    }
  };
  const announce = (change: Change<Row>): void => {
    revision++;
    for (const listener of [...listeners]) listener(change);
  };

  const table: Table<Row> = {
    name,
    get: (rowKey) => byKey.get(rowKey),
    rows: () => byKey.values(),
    get size() {
      return byKey.size;
    },
    by(index, value) {
      const found = filed.get(index)?.get(value);
      return found === undefined ? [] : found instanceof Map ? [...found.values()] : [found];
    },
    get revision() {
      return revision;
    },
    subscribe(listener, options) {
      if (options?.replay) for (const [rowKey, row] of [...byKey]) listener({ key: rowKey, after: row });
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    get synced() {
      return waitingFor.size === 0 && announced.size > 0;
    },
    whenSynced: () => (table.synced ? Promise.resolve() : new Promise((resolve) => waiters.push(resolve))),
    upsert(row) {
      const rowKey = key(row);
      const before = byKey.get(rowKey);
      if (before !== undefined && same(before, row)) return false;
      const after = Object.freeze(row);
      if (before !== undefined) file(before, rowKey, "remove");
      byKey.set(rowKey, after);
      file(after, rowKey, "add");
      announce(before === undefined ? { key: rowKey, after } : { key: rowKey, before, after });
      return true;
    },
    delete(rowKey) {
      const before = byKey.get(rowKey);
      if (before === undefined) return false;
      byKey.delete(rowKey);
      file(before, rowKey, "remove");
      announce({ key: rowKey, before });
      return true;
    },
    replace(rows) {
      const stale = new Set(byKey.keys());
      for (const row of rows) {
        stale.delete(key(row));
        table.upsert(row);
      }
      for (const rowKey of stale) table.delete(rowKey);
    },
    initializer(source) {
      if (announced.has(source)) throw new DuplicateInitializer(name, source);
      announced = announced.add(source);
      waitingFor.add(source);
      return () => {
        waitingFor.delete(source);
        if (!table.synced) return;
        const ready = waiters;
        waiters = [];
        for (const resolve of ready) resolve();
      };
    },
  };
  return table;
}
