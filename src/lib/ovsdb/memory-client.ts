import { OvsdbDisconnected } from "./errors.ts";
import type { OvsdbClient, Replica, Selection } from "./client.ts";
import type { Column, Database } from "./declaration.ts";
import type { MemoryDatabase, RowChange, StoredRow } from "./memory-database.ts";
import { encodeValue } from "./notation.ts";
import { createReplica, type ReplicaFeed } from "./replica.ts";

/** The way between a client and its database: both carry in order. The default takes no time. */
export interface DatabaseWay {
  /** A message to the database. */
  send(run: () => void): void;
  /** A message back. */
  receive(run: () => void): void;
}

/** A client whose connection somebody else may take away. */
export interface MemoryClient<D extends Database> extends OvsdbClient<D> {
  /** Ends the connection: what is under way has an unknown fate. */
  lose(): void;
  /** Connects again, and brings every replica up to date. */
  restore(): void;
}

const direct: DatabaseWay = { send: (run) => queueMicrotask(run), receive: (run) => queueMicrotask(run) };

/** A connection to a database in memory, behind the contract of one to ovsdb-server. */
export function connectMemoryDatabase<D extends Database>({
  database,
  memory,
  way = direct,
}: {
  readonly database: D;
  readonly memory: MemoryDatabase<D>;
  readonly way?: DatabaseWay;
}): MemoryClient<D> {
  const listeners = new Set<(connected: boolean) => void>();
  const followings = new Set<{ readonly feed: ReplicaFeed; readonly columns: Readonly<Record<string, readonly string[]>> }>();
  const underWay = new Set<(reason: Error) => void>();
  /** Counts connections: what belongs to an earlier one is dropped. */
  let connection = 1;
  let connected = true;
  let closed = false;

  const wireRow = (table: string, names: readonly string[], row: StoredRow): Record<string, unknown> =>
    Object.fromEntries(names.map((name) => [name, encodeValue(database.tables[table]?.[name] as Column, row[name], (same) => same)]));
  const onThis = (run: () => void): (() => void) => {
    const mine = connection;
    return () => {
      if (connected && connection === mine) run();
    };
  };
  const content = ({ columns }: { readonly columns: Readonly<Record<string, readonly string[]>> }): object =>
    Object.fromEntries(
      Object.entries(columns).map(([table, names]) => [
        table,
        Object.fromEntries([...memory.rows(table as never)].map((row) => [row.uuid, { new: wireRow(table, names, row) }])),
      ]),
    );
  const follow = (following: { readonly feed: ReplicaFeed; readonly columns: Readonly<Record<string, readonly string[]>> }): void =>
    way.send(
      onThis(() => {
        const wire = content(following);
        way.receive(onThis(() => must(following.feed.reset("update", wire))));
      }),
    );
  const stopListening = memory.onCommit((changes) => {
    if (!connected) return;
    for (const { feed, columns } of followings) {
      const wire = updateOf(changes, columns, wireRow);
      if (wire !== undefined) way.receive(onThis(() => must(feed.apply("update", wire))));
    }
  });
  const announce = (): void => {
    for (const listener of [...listeners]) listener(connected);
  };
  const lose = (reason: string): void => {
    if (!connected) return;
    connected = false;
    const error = new OvsdbDisconnected("in memory", reason);
    for (const reject of [...underWay]) reject(error);
    underWay.clear();
    announce();
  };
  const transact: OvsdbClient<D>["transact"] = (operations) =>
    new Promise((resolve, reject) => {
      if (!connected) return reject(new OvsdbDisconnected("in memory", closed ? "closed here" : "not connected"));
      underWay.add(reject);
      const settle = (end: () => void): void =>
        way.receive(
          onThis(() => {
            underWay.delete(reject);
            end();
          }),
        );
      way.send(
        onThis(() => {
          try {
            const results = memory.transact(operations);
            settle(() => resolve(results));
          } catch (error) {
            settle(() => reject(error));
          }
        }),
      );
    });
  return {
    get connected() {
      return connected;
    },
    onConnection(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    monitor<const S extends Selection<D>>(selection: S): Replica<D, S> {
      const { replica, feed } = createReplica(database, selection);
      const following = { feed, columns: Object.fromEntries(Object.entries(selection).map(([table, names]) => [table, names ?? []])) };
      followings.add(following);
      if (connected) follow(following);
      return replica;
    },
    transact,
    batch: transact,
    lose: () => lose("the connection was lost"),
    restore() {
      if (connected || closed) return;
      connection++;
      connected = true;
      for (const following of followings) follow(following);
      announce();
    },
    close() {
      closed = true;
      stopListening();
      lose("closed here");
      for (const { feed } of followings) feed.abandon(new OvsdbDisconnected("in memory", "closed here"));
    },
  };
}

function updateOf(
  changes: readonly RowChange[],
  columns: Readonly<Record<string, readonly string[]>>,
  wireRow: (table: string, names: readonly string[], row: StoredRow) => object,
): object | undefined {
  const tables = new Map<string, Record<string, object>>();
  for (const { table, uuid, after } of changes) {
    const names = columns[table];
    if (names === undefined) continue;
    const rows = tables.get(table) ?? {};
    rows[uuid] = after === undefined ? { old: {} } : { new: wireRow(table, names, after) };
    tables.set(table, rows);
  }
  return tables.size === 0 ? undefined : Object.fromEntries(tables);
}

function must(failure: string | undefined): void {
  if (failure !== undefined) throw new TypeError(`the database in memory told what its client cannot read: ${failure}`);
}
