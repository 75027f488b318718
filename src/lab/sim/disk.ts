import type { FileContent, Files } from "#lib/runtime/index.ts";
import type { Storage, StoredRecord } from "#lib/apiserver/storage/storage.ts";
import { DiskFull, NoSuchFile } from "./errors.ts";

/** The disk of a host of the simulation: what processes left on it outlives them. */
export interface SimDisk {
  readonly files: Files;
  /** Nothing can be written while it is full. */
  full: boolean;
}

/** `onReplaced` hears what is written: pieces that a process kept are the same objects again, and never change. */
export function createDisk(onReplaced: (path: string, content: FileContent) => void = () => {}): SimDisk {
  const contents = new Map<string, FileContent>();
  const disk = {
    full: false,
    files: {
      async read(path) {
        await Promise.resolve();
        const content = contents.get(path);
        if (content === undefined) throw new NoSuchFile(path);
        return typeof content === "string" ? content : Buffer.concat(content).toString();
      },
      async replace(path, content) {
        await Promise.resolve();
        if (disk.full) throw new DiskFull(path);
        contents.set(path, content);
        onReplaced(path, content);
      },
      makeFolder: () => Promise.resolve(),
      async rename(from, to) {
        await Promise.resolve();
        const content = contents.get(from);
        if (content === undefined) throw new NoSuchFile(from);
        contents.delete(from);
        contents.set(to, content);
      },
      async remove(path) {
        await Promise.resolve();
        contents.delete(path);
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
