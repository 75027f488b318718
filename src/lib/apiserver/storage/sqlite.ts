import { DatabaseSync } from "node:sqlite";
import type { Duration } from "#lib/runtime/duration.ts";
import { seconds } from "#lib/runtime/duration.ts";
import { errorMessage } from "#lib/runtime/errors.ts";
import type { Runtime } from "#lib/runtime/runtime.ts";
import { StorageNotUsable } from "./errors.ts";
import type { Storage, StoredRecord } from "./storage.ts";

/** Version of the tables below, in `PRAGMA user_version`. */
const layout = 1;
/** The log is written back into the database once nothing was committed for this long: a checkpoint syncs twice and would delay a write. */
const checkpointWhenIdle: Duration = seconds(2);
/** … or at the latest when the log has this many pages (of 4 KiB), so that it does not grow without bound under a constant load. */
const checkpointAtPages = 16_384;

/**
 * SQLite with a write-ahead log that is synced to disk before every commit returns (`synchronous=FULL`): about 0.3 ms on a local disk.
 * The commit runs on the calling thread: what waits meanwhile shares the next commit. A damaged or newer file is refused with
 * {@link StorageNotUsable}.
 */
export function openSqliteStorage({ file, runtime }: { readonly file: string; readonly runtime: Pick<Runtime, "clock"> }): Storage {
  const database = open(file);
  const write = database.prepare(
    "INSERT INTO objects (resource, namespace, name, json) VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET json = excluded.json",
  );
  const remove = database.prepare("DELETE FROM objects WHERE resource = ? AND namespace = ? AND name = ?");
  const advance = database.prepare("UPDATE revision SET latest = ?");
  let idle: { cancel(): void } | undefined;

  return {
    load() {
      const { latest } = database.prepare("SELECT latest FROM revision").get() as { latest: number };
      const records = database.prepare("SELECT resource, namespace, name, json FROM objects").iterate();
      return { revision: latest, records: records as Iterable<unknown> as Iterable<StoredRecord> };
    },
    // after the callbacks of this turn of the event loop: requests that arrived together share one sync
    gather: (commit) => void setImmediate(commit),
    commit({ revision, records }) {
      database.exec("BEGIN IMMEDIATE");
      try {
        for (const { resource, namespace, name, json } of records) {
          if (json === null) remove.run(resource, namespace, name);
          else write.run(resource, namespace, name, json);
        }
        advance.run(revision);
        database.exec("COMMIT");
      } catch (error) {
        if (database.isTransaction) database.exec("ROLLBACK");
        throw new StorageNotUsable(file, `cannot commit: ${errorMessage(error)}`, { cause: error });
      }
      idle?.cancel();
      idle = runtime.clock.after(checkpointWhenIdle, () => database.exec("PRAGMA wal_checkpoint(TRUNCATE)"), { background: true });
    },
    close() {
      idle?.cancel();
      database.close();
    },
  };
}

function open(file: string): DatabaseSync {
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(file);
    database.exec(`PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
      PRAGMA wal_autocheckpoint = ${checkpointAtPages};`);
    const { user_version: found } = database.prepare("PRAGMA user_version").get() as { user_version: number };
    if (found > layout) throw new StorageNotUsable(file, `has layout ${found}, this program knows ${layout}: use the newer program`);
    database.exec(`BEGIN;
      CREATE TABLE IF NOT EXISTS objects (
        resource TEXT NOT NULL, namespace TEXT NOT NULL, name TEXT NOT NULL, json TEXT NOT NULL,
        PRIMARY KEY (resource, namespace, name)
      ) WITHOUT ROWID;
      CREATE TABLE IF NOT EXISTS revision (only INTEGER PRIMARY KEY CHECK (only = 1), latest INTEGER NOT NULL);
      INSERT OR IGNORE INTO revision VALUES (1, 0);
      PRAGMA user_version = ${layout};
      COMMIT;`);
    return database;
  } catch (error) {
    database?.close();
    throw error instanceof StorageNotUsable ? error : new StorageNotUsable(file, errorMessage(error), { cause: error });
  }
}
