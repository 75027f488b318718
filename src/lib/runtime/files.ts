import { type FileHandle, mkdir, open, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { FileTooLarge } from "./errors.ts";

/** The only door to a process's own small files: texts that are replaced whole. Failures carry the system's `code` (`ENOENT`, `ENOSPC`, …). */
export interface Files {
  /** The whole text. Rejects with `ENOENT` when there is none, and with {@link FileTooLarge} when it has more than `atMost` bytes. */
  read(path: string, options?: ReadOptions): Promise<string>;
  /** Makes the file hold `content`, readable by its owner alone, whole or not at all; on failure nothing of it takes room. */
  replace(path: string, content: FileContent, options?: ReplaceOptions): Promise<void>;
  /** Makes the folder and those above it, for its owner alone; one that is there stays as it is. */
  makeFolder(path: string): Promise<void>;
  rename(from: string, to: string): Promise<void>;
  /** No file there is no failure. */
  remove(path: string): Promise<void>;
}

/** A text, or the pieces of its UTF-8, one after the other: what its owner has as bytes already is not put together first. */
export type FileContent = string | readonly Uint8Array[];

export interface ReadOptions {
  /** Bytes. Default: whatever there is. */
  readonly atMost?: number;
}

export interface ReplaceOptions {
  /** Resolve when it would survive a loss of power, not only the end of the process. */
  readonly durable?: boolean;
}

/** The machine's file system. */
export const systemFiles: Files = {
  async read(path, { atMost = Number.POSITIVE_INFINITY } = {}) {
    const handle = await open(path);
    try {
      const { size } = await handle.stat();
      if (size > atMost) throw new FileTooLarge({ path, size, atMost });
      return await handle.readFile("utf8");
    } finally {
      await handle.close();
    }
  },
  async replace(path, content, { durable = false } = {}) {
    const temporary = `${path}.new`;
    const handle = await open(temporary, "w", 0o600);
    try {
      if (typeof content === "string") await handle.writeFile(content);
      else await writePieces(handle, content);
      if (durable) await handle.sync();
      await rename(temporary, path);
      if (durable) await syncFolder(dirname(path));
    } catch (error) {
      await rm(temporary, { force: true }).catch(() => {});
      throw error;
    } finally {
      await handle.close();
    }
  },
  async makeFolder(path) {
    await mkdir(path, { recursive: true, mode: 0o700 });
  },
  rename: (from, to) => rename(from, to),
  remove: (path) => rm(path, { force: true }),
};

/** The new name is the folder's, not the file's: without this a loss of power could bring back the file of before (fsync(2), Notes). */
async function syncFolder(path: string): Promise<void> {
  const folder = await open(path);
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

/** The system may take a part only, as when the disk gets full: the next try says why. */
async function writePieces(handle: FileHandle, pieces: readonly Uint8Array[]): Promise<void> {
  let left = pieces.filter(({ byteLength }) => byteLength > 0);
  while (left.length > 0) {
    let { bytesWritten } = await handle.writev(left);
    let whole = 0;
    for (let piece = left[0]; piece !== undefined && piece.byteLength <= bytesWritten; piece = left[whole]) {
      bytesWritten -= piece.byteLength;
      whole++;
    }
    const [cut, ...others] = left.slice(whole);
    left = cut === undefined ? [] : [cut.subarray(bytesWritten), ...others];
  }
}
