import { DuplicateInitializer } from "./errors.ts";
import { createSharedMap, type SharedMap } from "./shared-map.ts";

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

export const createTable = <Row extends object>(options: TableOptions<Row>): Table<Row> => new RowTable(options);

/** A class, as a process has dozens of tables, and a simulation a hundred thousand: a literal with getters takes 2 kB more. */
export class RowTable<Row extends object> implements Table<Row> {
  readonly name: string;
  readonly #key: (row: Row) => string;
  readonly #indexes: readonly (readonly [string, (row: Row) => readonly string[]])[];
  readonly #same: (before: Row, after: Row) => boolean;
  readonly #byKey: SharedMap<string, Row>;
  readonly #filed = new Map<string, Map<string, Found<Row>>>();
  readonly #listeners = new Set<(change: Change<Row>) => void>();
  /** Whether each source that was announced has delivered. */
  readonly #sources = new Map<string, boolean>();
  #waiters: (() => void)[] = [];
  #revision = 0;

  constructor({ name, key, indexes = {}, same = Object.is, manyAlike = false }: TableOptions<Row>) {
    this.name = name;
    this.#key = key;
    this.#indexes = Object.entries(indexes);
    this.#same = same;
    this.#byKey = manyAlike ? createSharedMap<string, Row>() : new Map<string, Row>();
    for (const [index] of this.#indexes) this.#filed.set(index, new Map());
  }

  get(rowKey: string): Row | undefined {
    return this.#byKey.get(rowKey);
  }

  rows(): IterableIterator<Row> {
    return this.#byKey.values();
  }

  get size(): number {
    return this.#byKey.size;
  }

  by(index: string, value: string): readonly Row[] {
    const found = this.#filed.get(index)?.get(value);
    return found === undefined ? [] : found instanceof Map ? [...found.values()] : [found];
  }

  get revision(): number {
    return this.#revision;
  }

  subscribe(listener: (change: Change<Row>) => void, options?: { readonly replay?: boolean }): () => void {
    if (options?.replay) for (const [rowKey, row] of [...this.#byKey]) listener({ key: rowKey, after: row });
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  get synced(): boolean {
    return this.#sources.size > 0 && this.#sources.values().every((delivered) => delivered);
  }

  whenSynced(): Promise<void> {
    return this.synced ? Promise.resolve() : new Promise((resolve) => this.#waiters.push(resolve));
  }

  upsert(row: Row): boolean {
    const rowKey = this.#key(row);
    const before = this.#byKey.get(rowKey);
    if (before !== undefined && this.#same(before, row)) return false;
    const after = Object.freeze(row);
    if (before !== undefined) this.#unfile(before, rowKey);
    this.#byKey.set(rowKey, after);
    this.#file(after, rowKey);
    this.#announce(before === undefined ? { key: rowKey, after } : { key: rowKey, before, after });
    return true;
  }

  delete(rowKey: string): boolean {
    const before = this.#byKey.get(rowKey);
    if (before === undefined) return false;
    this.#byKey.delete(rowKey);
    this.#unfile(before, rowKey);
    this.#announce({ key: rowKey, before });
    return true;
  }

  replace(rows: Iterable<Row>): void {
    const stale = new Set(this.#byKey.keys());
    for (const row of rows) {
      stale.delete(this.#key(row));
      this.upsert(row);
    }
    for (const rowKey of stale) this.delete(rowKey);
  }

  initializer(source: string): () => void {
    if (this.#sources.has(source)) throw new DuplicateInitializer(this.name, source);
    this.#sources.set(source, false);
    return () => {
      this.#sources.set(source, true);
      if (!this.synced) return;
      const ready = this.#waiters;
      this.#waiters = [];
      for (const resolve of ready) resolve();
    };
  }

  #file(row: Row, rowKey: string): void {
    for (const [index, valuesOf] of this.#indexes) {
      const values = this.#filed.get(index);
      if (values === undefined) continue;
      for (const value of valuesOf(row)) {
        const found = values.get(value);
        if (found instanceof Map) found.set(rowKey, row);
        else if (found === undefined || this.#key(found) === rowKey) values.set(value, row);
        else values.set(value, new Map([found, row].map((each) => [this.#key(each), each])));
      }
    }
  }

  #unfile(row: Row, rowKey: string): void {
    for (const [index, valuesOf] of this.#indexes) {
      const values = this.#filed.get(index);
      if (values === undefined) continue;
      for (const value of valuesOf(row)) {
        const found = values.get(value);
        if (found instanceof Map) {
          if (found.delete(rowKey) && found.size === 0) values.delete(value);
        } else if (found !== undefined && this.#key(found) === rowKey) values.delete(value);
      }
    }
  }

  #announce(change: Change<Row>): void {
    this.#revision++;
    for (const listener of [...this.#listeners]) listener(change);
  }
}
