import { createTable, type Table } from "#lib/table/index.ts";
import type { Replica, ReplicaTables, Selection } from "./client.ts";
import type { Column, Database } from "./declaration.ts";
import { type Decoded, decodeAtoms, decodePairs, decodeValue, defaultValue, isObject, sameValue } from "./notation.ts";

type Row = { readonly uuid: string } & Readonly<Record<string, unknown>>;

/** How updates are written: in full rows (RFC 7047 §4.1.6), or as differences (ovsdb-server(7) `update2`). */
export type UpdateForm = "update" | "update2";

/** The side of a replica that its connection writes to. Both functions return what is wrong, in words, and then have changed nothing. */
export interface ReplicaFeed {
  /** Makes the content exactly `wire`, a first reply to a monitor request. */
  reset(form: UpdateForm, wire: unknown): string | undefined;
  apply(form: UpdateForm, wire: unknown): string | undefined;
  /** Ends the waits: the client was closed. */
  abandon(reason: Error): void;
}

type Edit = { readonly table: FollowedTable; readonly uuid: string; readonly row: Row | undefined };

interface FollowedTable {
  readonly name: string;
  readonly columns: ReadonlyMap<string, Column>;
  readonly rows: Table<Row>;
}

export function createReplica<D extends Database, S extends Selection<D>>(
  database: D,
  selection: S,
): { readonly replica: Replica<D, S>; readonly feed: ReplicaFeed } {
  const followed = new Map(Object.entries(selection).map(([name, columns]) => [name, followTable(database, name, columns ?? [])]));
  const tables = Object.fromEntries(followed.entries().map(([name, { rows }]) => [name, rows])) as unknown as ReplicaTables<D, S>;
  const listeners = new Set<() => void>();
  const waits = new Set<(reason: Error) => void>();
  const first = Promise.withResolvers<void>();
  const initialized = [...followed.values()].map(({ rows }) => rows.initializer("ovsdb"));
  let synced = false;
  let abandoned: Error | undefined;

  const commit = (edits: readonly Edit[]): void => {
    for (const { table, uuid, row } of edits) {
      if (row === undefined) table.rows.delete(uuid);
      else table.rows.upsert(row);
    }
    for (const listener of [...listeners]) listener();
  };
  const onChange = (listener: () => void): (() => void) => {
    listeners.add(listener);
    return () => void listeners.delete(listener);
  };

  const feed: ReplicaFeed = {
    reset(form, wire) {
      const edits = decodeUpdates(followed, form, wire, { fresh: true });
      if ("failure" in edits) return edits.failure;
      const present = new Set(edits.value.map(({ uuid }) => uuid));
      const gone = [...followed.values()].flatMap((table) =>
        [...table.rows.rows()].filter(({ uuid }) => !present.has(uuid)).map(({ uuid }) => ({ table, uuid, row: undefined })),
      );
      if (!synced) {
        for (const { table, row } of edits.value) if (row !== undefined) table.rows.upsert(row);
        synced = true;
        for (const done of initialized) done();
        first.resolve();
        commit([]);
      } else commit([...edits.value, ...gone]);
      return undefined;
    },
    apply(form, wire) {
      const edits = decodeUpdates(followed, form, wire, { fresh: false });
      if ("failure" in edits) return edits.failure;
      commit(edits.value);
      return undefined;
    },
    abandon(reason) {
      abandoned = reason;
      for (const wait of [...waits]) wait(reason);
    },
  };
  const replica: Replica<D, S> = {
    tables,
    onChange,
    get synced() {
      return synced;
    },
    whenSynced: () => first.promise,
    until: (find, signal) =>
      new Promise((resolve, reject) => {
        const give = (): void => {
          if (!synced) return;
          try {
            const found = find(tables);
            if (found === undefined) return;
            stop();
            resolve(found);
          } catch (error) {
            fail(error);
          }
        };
        const fail = (reason: unknown): void => {
          stop();
          reject(reason);
        };
        const aborted = (): void => fail(signal?.reason);
        const off = onChange(give);
        const stop = (): void => {
          off();
          waits.delete(fail);
          signal?.removeEventListener("abort", aborted);
        };
        waits.add(fail);
        signal?.addEventListener("abort", aborted, { once: true });
        if (signal?.aborted) aborted();
        else if (abandoned !== undefined) fail(abandoned);
        else give();
      }),
  };
  return { replica, feed };
}

function followTable(database: Database, name: string, columnNames: readonly string[]): FollowedTable {
  const columns = new Map<string, Column>();
  for (const columnName of columnNames) {
    const column = database.tables[name]?.[columnName];
    if (column !== undefined) columns.set(columnName, column);
  }
  const rows = createTable<Row>({
    name: `ovsdb ${name}`,
    key: ({ uuid }) => uuid,
    indexes: columns.has("name") ? { name: (row) => (typeof row.name === "string" ? [row.name] : []) } : {},
    same: (before, after) => columns.entries().every(([column, type]) => sameValue(type, before[column], after[column])),
  });
  return { name, columns, rows };
}

function decodeUpdates(
  followed: ReadonlyMap<string, FollowedTable>,
  form: UpdateForm,
  wire: unknown,
  { fresh }: { readonly fresh: boolean },
): Decoded<Edit[]> {
  if (!isObject(wire)) return { failure: "table updates are no object" };
  const edits: Edit[] = [];
  for (const [tableName, rowUpdates] of Object.entries(wire)) {
    const table = followed.get(tableName);
    if (table === undefined || !isObject(rowUpdates)) return { failure: `an update of ${tableName}, which is not followed` };
    for (const [uuid, change] of Object.entries(rowUpdates)) {
      const row = isObject(change)
        ? decodeRow({ table, uuid, form, change, before: fresh ? undefined : table.rows.get(uuid) })
        : { failure: "no object" };
      if ("failure" in row) return { failure: `${tableName} ${uuid}: ${row.failure}` };
      edits.push({ table, uuid, row: row.value });
    }
  }
  return { value: edits };
}

interface RowChange {
  readonly table: FollowedTable;
  readonly uuid: string;
  readonly form: UpdateForm;
  readonly change: Readonly<Record<string, unknown>>;
  readonly before: Row | undefined;
}

function decodeRow({ table, uuid, form, change, before }: RowChange): Decoded<Row | undefined> {
  if (form === "update") return change.new === undefined ? { value: undefined } : fullRow(table, uuid, change.new);
  if ("delete" in change) return { value: undefined };
  if ("modify" in change) {
    return before === undefined ? { failure: "modified without having been there" } : changedRow(table, before, change.modify);
  }
  return fullRow(table, uuid, change.initial ?? change.insert);
}

function fullRow(table: FollowedTable, uuid: string, wire: unknown): Decoded<Row> {
  if (!isObject(wire)) return { failure: "a row is no object" };
  const row: Record<string, unknown> & { uuid: string } = { uuid };
  for (const [name, column] of table.columns) {
    const value = wire[name] === undefined ? { value: defaultValue(column) } : decodeValue(column, wire[name]);
    if ("failure" in value) return { failure: `column ${name}: ${value.failure}` };
    row[name] = value.value;
  }
  return { value: row };
}

function changedRow(table: FollowedTable, before: Row, wire: unknown): Decoded<Row> {
  if (!isObject(wire)) return { failure: "a change is no object" };
  const row: Record<string, unknown> & { uuid: string } = { ...before };
  for (const [name, difference] of Object.entries(wire)) {
    const column = table.columns.get(name);
    if (column === undefined) return { failure: `column ${name} is not followed` };
    const value = changedValue(column, before[name], difference);
    if ("failure" in value) return { failure: `column ${name}: ${value.failure}` };
    row[name] = value.value;
  }
  return { value: row };
}

/** `update2`: sets are given as the members that changed sides, maps as pairs to remove (equal) or to put, others as the new value. */
function changedValue(column: Column, before: unknown, difference: unknown): Decoded<unknown> {
  if (column.shape === "map") {
    const pairs = decodePairs(column, difference);
    if ("failure" in pairs) return pairs;
    const after = new Map(before as ReadonlyMap<unknown, unknown>);
    for (const [key, value] of pairs.value) {
      if (after.has(key) && after.get(key) === value) after.delete(key);
      else after.set(key, value);
    }
    return { value: after };
  }
  if (column.shape === "set") {
    const atoms = decodeAtoms(column.key, difference);
    if ("failure" in atoms) return atoms;
    return { value: Object.freeze([...new Set(before as readonly unknown[]).symmetricDifference(new Set<unknown>(atoms.value))]) };
  }
  return decodeValue(column, difference);
}
