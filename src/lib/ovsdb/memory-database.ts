import { type Random, uuid as randomUuid } from "#lib/runtime/index.ts";
import type { Column, Database, NamedUuid } from "./declaration.ts";
import { TransactionFailed } from "./errors.ts";
import { defaultValue, isObject } from "./notation.ts";
import type { Operation, OperationResult } from "./operations.ts";

/** A row as it is stored: every declared column, and its identity. */
export type StoredRow = { readonly uuid: string } & Readonly<Record<string, unknown>>;

/** What a transaction did to a row. `after` is absent for one that went. */
export interface RowChange {
  readonly table: string;
  readonly uuid: string;
  readonly after?: StoredRow;
}

/** A database that exists in memory only, pure and deterministic: the transactions of RFC 7047 that our programs make, on declared tables. */
export interface MemoryDatabase<D extends Database> {
  /** All operations or none. Throws TransactionFailed. `wait` looks once. */
  transact(operations: readonly Operation<D>[]): OperationResult[];
  rows(table: keyof D["tables"] & string): IterableIterator<StoredRow>;
  /** Hears each transaction that changed something. Returns the way to stop. */
  onCommit(listener: (changes: readonly RowChange[]) => void): () => void;
}

export interface MemoryDatabaseOptions<D extends Database> {
  readonly database: D;
  /** Makes UUIDs. */
  readonly random: Random;
  /** Tables whose rows stay without a reference (`isRoot` of the schema). */
  readonly roots: readonly (keyof D["tables"] & string)[];
}

type Tables = Map<string, Map<string, StoredRow>>;

export function createMemoryDatabase<D extends Database>({ database, random, roots }: MemoryDatabaseOptions<D>): MemoryDatabase<D> {
  const tables: Tables = new Map(Object.keys(database.tables).map((name) => [name, new Map()]));
  const listeners = new Set<(changes: readonly RowChange[]) => void>();
  const references = referencesOf(database);
  const rootTables = new Set<string>(roots);
  const columnsOf = (table: string): Readonly<Record<string, Column>> => database.tables[table] ?? {};

  return {
    transact(operations) {
      const draft = createDraft(tables);
      const named = new Map<string, string>();
      for (const operation of operations)
        if (operation.op === "insert" && operation.as !== undefined) named.set(operation.as.namedUuid, randomUuid(random));
      const results = operations.map((operation, index): OperationResult => {
        const fail = (error: string, details = ""): never => {
          throw new TransactionFailed({ error, details, operation: index, text: operation.op });
        };
        if (operation.op === "comment") return {};
        if (operation.op === "abort") return fail("aborted");
        const columns = columnsOf(operation.table);
        const written = (row: object): Record<string, unknown> =>
          Object.fromEntries(Object.entries(row).map(([name, value]) => [name, resolved(columns[name] as Column, value, named)]));
        const found = (): StoredRow[] =>
          "where" in operation
            ? [...draft.rows(operation.table)].filter((row) =>
                (operation.where as readonly Condition[]).every((each) => holds(columns, row, each)),
              )
            : [];
        switch (operation.op) {
          case "insert": {
            const uuid = (operation.as && named.get(operation.as.namedUuid)) ?? randomUuid(random);
            const defaults = Object.fromEntries(Object.entries(columns).map(([name, column]) => [name, defaultValue(column)]));
            draft.put(operation.table, { ...defaults, ...written(operation.row), uuid });
            return { uuid };
          }
          case "select":
            return { rows: found() };
          case "update": {
            const rows = found();
            for (const row of rows) draft.put(operation.table, { ...row, ...written(operation.row) });
            return { count: rows.length };
          }
          case "mutate": {
            const rows = found();
            for (const row of rows) {
              const next: Record<string, unknown> & { uuid: string } = { ...row };
              for (const [name, mutator, value] of operation.mutations as readonly Condition[]) {
                const column = columns[name] as Column;
                next[name] = mutated(column, next[name], mutator, value, named) ?? fail("constraint violation", `${mutator} on ${name}`);
              }
              draft.put(operation.table, next);
            }
            return { count: rows.length };
          }
          case "delete": {
            const rows = found();
            for (const { uuid } of rows) draft.remove(operation.table, uuid);
            return { count: rows.length };
          }
          default: {
            const rows = found();
            const wanted = operation.rows.map(written);
            const same =
              rows.length === wanted.length &&
              wanted.every((row) => rows.some((present) => Object.keys(row).every((name) => textOf(row[name]) === textOf(present[name]))));
            return same === (operation.until === "==") ? {} : fail("timed out");
          }
        }
      });
      if (mayLeaveOrphans(draft.changed(), { references, roots: rootTables })) collect(draft, { references, roots: rootTables });
      const changes = draft.changes();
      for (const { table, uuid, after } of changes) {
        if (after === undefined) tables.get(table)?.delete(uuid);
        else tables.get(table)?.set(uuid, Object.freeze(after));
      }
      if (changes.length > 0) for (const listener of [...listeners]) listener(changes);
      return results;
    },
    rows: (table) => (tables.get(table) ?? new Map<string, StoredRow>()).values(),
    onCommit(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
  };
}

type Condition = readonly [string, string, unknown];

/** The tables as a transaction under way sees them. */
function createDraft(tables: Tables) {
  const changed = new Map<string, Map<string, StoredRow | undefined>>();
  const of = (table: string): Map<string, StoredRow | undefined> => {
    const rows = changed.get(table) ?? new Map<string, StoredRow | undefined>();
    changed.set(table, rows);
    return rows;
  };
  return {
    *rows(table: string): Generator<StoredRow> {
      const own = of(table);
      for (const [uuid, row] of tables.get(table) ?? []) if (!own.has(uuid)) yield row;
      for (const row of own.values()) if (row !== undefined) yield row;
    },
    put: (table: string, row: StoredRow) => void of(table).set(row.uuid, row),
    remove: (table: string, uuid: string) => void of(table).set(uuid, undefined),
    /** What was written, whether it is other than before or not. */
    changed: (): Written[] =>
      [...changed].flatMap(([table, rows]) =>
        [...rows].map(([uuid, after]): Written => ({ table, uuid, before: tables.get(table)?.get(uuid), after })),
      ),
    changes(): RowChange[] {
      return this.changed().flatMap(({ table, uuid, before, after }): RowChange[] => {
        if (before === undefined && after === undefined) return [];
        if (before !== undefined && after !== undefined && isSameRow(before, after)) return [];
        return [{ table, uuid, ...(after === undefined ? {} : { after }) }];
      });
    },
  };
}

interface Written {
  readonly table: string;
  readonly uuid: string;
  readonly before: StoredRow | undefined;
  readonly after: StoredRow | undefined;
}

/** Most columns of a row that is written are the very same. */
const isSameRow = (before: StoredRow, after: StoredRow): boolean =>
  Object.keys(after).every((name) => before[name] === after[name] || textOf(before[name]) === textOf(after[name]));

/** By table, the columns that refer to rows. */
type References = ReadonlyMap<string, readonly string[]>;

const referencesOf = (database: Database): References =>
  new Map(
    Object.entries(database.tables).map(([table, columns]) => [
      table,
      Object.entries(columns).flatMap(([name, { key, value }]) => (key === "uuid" || value === "uuid" ? [name] : [])),
    ]),
  );

const referredBy = (value: unknown): Iterable<unknown> => (value instanceof Map ? value.values() : Array.isArray(value) ? value : [value]);

interface Collecting {
  readonly references: References;
  /** Tables whose rows stay anyway. */
  readonly roots: ReadonlySet<string>;
}

/** Whether a row was made that nothing written refers to, or something that referred to one does no more. */
function mayLeaveOrphans(changed: readonly Written[], { references, roots }: Collecting): boolean {
  const referred = new Set<unknown>();
  for (const { table, before, after } of changed)
    for (const name of references.get(table) ?? []) {
      if (before?.[name] === after?.[name]) continue;
      const now = new Set(after === undefined ? [] : referredBy(after[name]));
      if (before !== undefined) for (const uuid of referredBy(before[name])) if (uuid !== undefined && !now.has(uuid)) return true;
      for (const uuid of now) referred.add(uuid);
    }
  return changed.some(
    ({ table, uuid, before, after }) => before === undefined && after !== undefined && !roots.has(table) && !referred.has(uuid),
  );
}

/** Rows that nothing refers to any more go (RFC 7047 §3.2, `isRoot`). */
function collect(draft: ReturnType<typeof createDraft>, { references, roots }: Collecting): void {
  for (;;) {
    const referred = new Set<string>();
    for (const [table, columns] of references)
      for (const row of columns.length === 0 ? [] : draft.rows(table))
        for (const name of columns) for (const uuid of referredBy(row[name])) referred.add(String(uuid));
    let collected = 0;
    for (const table of references.keys()) {
      if (roots.has(table)) continue;
      for (const { uuid } of [...draft.rows(table)])
        if (!referred.has(uuid)) {
          draft.remove(table, uuid);
          collected++;
        }
    }
    if (collected === 0) return;
  }
}

const nothingNamed: ReadonlyMap<string, string> = new Map();

/** A value as it is stored: names of rows made in the same transaction are their UUIDs, maps are maps. */
function resolved(column: Column, value: unknown, named: ReadonlyMap<string, string>): unknown {
  const atom = (each: unknown): unknown =>
    isObject(each) && "namedUuid" in each ? named.get((each as unknown as NamedUuid).namedUuid) : each;
  if (column.shape === "map") {
    const pairs = value instanceof Map ? [...value] : Object.entries(value as object);
    return new Map(pairs.map(([key, each]) => [column.key === "integer" ? Number(key) : key, atom(each)]));
  }
  if (column.shape === "set") {
    const members = value as readonly unknown[];
    return Object.isFrozen(members) && !members.some(isObject) ? members : Object.freeze(members.map(atom));
  }
  return atom(value);
}

function holds(columns: Readonly<Record<string, Column>>, row: StoredRow, [name, test, value]: Condition): boolean {
  const present = name === "_uuid" ? row.uuid : row[name];
  const column = columns[name];
  const wanted = column === undefined ? value : resolved(column, value, nothingNamed);
  switch (test) {
    case "==":
      return textOf(present) === textOf(wanted);
    case "!=":
      return textOf(present) !== textOf(wanted);
    case "includes":
    case "excludes": {
      const [all, some] = [membersOf(present), membersOf(wanted)];
      return test === "includes" ? some.every((each) => all.includes(each)) : !some.some((each) => all.includes(each));
    }
    default:
      return false;
  }
}

function mutated(column: Column, before: unknown, mutator: string, value: unknown, named: ReadonlyMap<string, string>): unknown {
  if (column.shape === "set") {
    const members = resolved(column, value, named) as readonly unknown[];
    if (mutator === "insert") return Object.freeze([...new Set([...(before as readonly unknown[]), ...members])]);
    if (mutator === "delete") return Object.freeze((before as readonly unknown[]).filter((each) => !members.includes(each)));
  }
  if (column.shape === "map") {
    const pairs = new Map(before as ReadonlyMap<unknown, unknown>);
    if (mutator === "insert") {
      // RFC 7047 §5.1: a key that is there keeps its value.
      for (const [key, each] of resolved(column, value, named) as Map<unknown, unknown>) if (!pairs.has(key)) pairs.set(key, each);
      return pairs;
    }
    if (mutator === "delete") {
      const keys = Array.isArray(value) ? value : [...(resolved(column, value, named) as Map<unknown, unknown>).keys()];
      for (const key of keys) pairs.delete(key);
      return pairs;
    }
  }
  if (typeof before === "number" && typeof value === "number") {
    if (mutator === "+=") return before + value;
    if (mutator === "-=") return before - value;
  }
  return undefined;
}

const membersOf = (value: unknown): string[] =>
  value instanceof Map
    ? [...value].map((pair) => JSON.stringify(pair))
    : (Array.isArray(value) ? value : [value]).map((each) => JSON.stringify(each) ?? "");

/** Equal texts for equal values, sets and maps without regard to order. */
function textOf(value: unknown): string {
  if (value instanceof Map || Array.isArray(value)) return membersOf(value).sort().join();
  if (isObject(value))
    return Object.entries(value)
      .map(([name, each]) => `${name}=${textOf(each)}`)
      .join(";");
  return JSON.stringify(value) ?? "";
}
