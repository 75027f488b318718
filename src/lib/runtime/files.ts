import { mkdir, open, readFile, rename, rm } from "node:fs/promises";

/** The only door to a process's own small files: texts that are replaced whole. Failures carry the system's `code` (`ENOENT`, `ENOSPC`, …). */
export interface Files {
  /** The whole text. Rejects with `ENOENT` when there is none. */
  read(path: string): Promise<string>;
  /** Makes the file hold `text`, readable by its owner alone, whole or not at all; on failure nothing of it takes room. */
  replace(path: string, text: string, options?: ReplaceOptions): Promise<void>;
  /** Makes the folder and those above it, for its owner alone; one that is there stays as it is. */
  makeFolder(path: string): Promise<void>;
  rename(from: string, to: string): Promise<void>;
  /** No file there is no failure. */
  remove(path: string): Promise<void>;
}

export interface ReplaceOptions {
  /** Resolve when it would survive a loss of power, not only the end of the process. */
  readonly durable?: boolean;
}

/** The machine's file system. */
export const systemFiles: Files = {
  read: (path) => readFile(path, "utf8"),
  async replace(path, text, { durable = false } = {}) {
    const temporary = `${path}.new`;
    const handle = await open(temporary, "w", 0o600);
    try {
      await handle.writeFile(text);
      if (durable) await handle.sync();
      await rename(temporary, path);
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
