import type { Files } from "#lib/runtime/index.ts";
import type { Storage, StoredRecord } from "#lib/apiserver/storage/storage.ts";
import { DiskFull, NoSuchFile } from "./errors.ts";

/** The disk of a host of the simulation: what processes left on it outlives them. */
export interface SimDisk {
  readonly files: Files;
  /** Nothing can be written while it is full. */
  full: boolean;
}

/** `onReplaced` hears what is written. */
export function createDisk(onReplaced: (path: string, text: string) => void = () => {}): SimDisk {
  const texts = new Map<string, string>();
  const disk = {
    full: false,
    files: {
      async read(path) {
        await Promise.resolve();
        const text = texts.get(path);
        if (text === undefined) throw new NoSuchFile(path);
        return text;
      },
      async replace(path, text) {
        await Promise.resolve();
        if (disk.full) throw new DiskFull(path);
        texts.set(path, text);
        onReplaced(path, text);
      },
      makeFolder: () => Promise.resolve(),
      async rename(from, to) {
        await Promise.resolve();
        const text = texts.get(from);
        if (text === undefined) throw new NoSuchFile(from);
        texts.delete(from);
        texts.set(to, text);
      },
      async remove(path) {
        await Promise.resolve();
        texts.delete(path);
      },
    } satisfies Files,
  };
  return disk;
}

/** The API server's database on such a disk: a server that starts again finds what was committed. */
export function createSimStorage(): Storage {
  const records = new Map<string, StoredRecord>();
  let latest = 0;
  return {
    load: () => ({ revision: latest, records: records.values() }),
    gather: queueMicrotask,
    commit({ revision, records: batch }) {
      for (const record of batch) {
        const key = `${record.resource} ${record.namespace} ${record.name}`;
        if (record.json === null) records.delete(key);
        else records.set(key, record);
      }
      latest = revision;
    },
    close() {},
  };
}
