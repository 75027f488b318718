import { createReadStream, createWriteStream } from "node:fs";
import { type FileHandle, mkdir, open, readdir, rename, unlink } from "node:fs/promises";
import { basename, dirname, extname, join } from "node:path";
import { pipeline } from "node:stream/promises";
import { createGzip } from "node:zlib";
import { errorCode, errorMessage, hours, type Runtime } from "#lib/runtime/index.ts";

/** When a log begins a new file, and how many old ones stay; `auditLogging` of the configuration. */
export interface LogRotation {
  readonly maxSizeBytes: number;
  /** Old files that stay; 0: all. */
  readonly maxBackups: number;
  /** Days that old files stay; 0: for ever. */
  readonly maxAgeDays: number;
  /** Old files are compressed with gzip. */
  readonly compress: boolean;
}

/** A file that lines are appended to, and that is set aside when it has grown. */
export interface LogFile {
  /** Takes lines in; false when they are lost, as a disk that is slow or full has too much waiting. */
  write(lines: readonly string[]): boolean;
  /** Resolves when what was taken in is in the file, and old files are as they are to be. */
  flush(): Promise<void>;
  /** The same, and lets the file go; what is written later opens it again. */
  close(): Promise<void>;
  /** Lines that are in the file. */
  readonly written: number;
  /** Lines that were taken in, and that the disk did not take then. */
  readonly lost: number;
  readonly problem: string | undefined;
}

/** Characters that wait for the disk. */
const waitingAtMost = 4 << 20;

/** Old files are named by when they were set aside, `np-2026-01-02T10-00-00.000.log`, with `.gz` when compressed. */
export function openLogFile(options: {
  readonly runtime: Pick<Runtime, "clock" | "logger">;
  readonly file: string;
  readonly rotation: LogRotation;
}): LogFile {
  const { runtime, file, rotation } = options;
  let waiting: Waiting[] = [];
  let waitingLength = 0;
  let written = 0;
  let lost = 0;
  let handle: FileHandle | undefined;
  let size = 0;
  let writing: Promise<void> | undefined;
  let problem: string | undefined;

  const opened = async (): Promise<FileHandle> => {
    if (handle !== undefined) return handle;
    await mkdir(dirname(file), { recursive: true, mode: 0o755 });
    handle = await open(file, "a", 0o600);
    size = (await handle.stat()).size;
    return handle;
  };
  /** Old files one after the other, beside the lines: a large one takes seconds to compress. */
  let tidying: Promise<void> = Promise.resolve();
  const tidy = async (aside: string): Promise<void> => {
    try {
      if (rotation.compress) await compress(aside);
    } catch (error) {
      runtime.logger.warn("an old file of the audit log stays as it is", { file: aside, error: errorMessage(error) });
    }
    await prune(file, rotation, runtime.clock.wall()).catch((error: unknown) =>
      runtime.logger.warn("old files of the audit log cannot be looked at", { file, error: errorMessage(error) }),
    );
  };
  const setAside = async (): Promise<void> => {
    await handle?.close();
    handle = undefined;
    const aside = backupName(file, new Date(runtime.clock.wall()));
    await rename(file, aside);
    tidying = tidying.then(() => tidy(aside));
  };
  const append = async (taken: readonly Waiting[]): Promise<void> => {
    const text = taken.map((each) => each.text).join("");
    const lines = taken.reduce((sum, each) => sum + each.lines, 0);
    const bytes = Buffer.byteLength(text);
    await opened();
    if (size > 0 && size + bytes > rotation.maxSizeBytes) await setAside();
    const open = await opened();
    waiting = waiting.slice(taken.length);
    waitingLength -= text.length;
    try {
      await open.appendFile(text);
    } catch (error) {
      // How much of it is there nobody knows.
      lost += lines;
      throw error;
    }
    written += lines;
    size += bytes;
  };
  const writeWaiting = async (): Promise<void> => {
    while (waiting.length > 0) await append([...waiting]);
  };
  const begin = (): void => {
    writing ??= writeWaiting()
      .then(
        () => {
          problem = undefined;
        },
        (error: unknown) => {
          if (problem === undefined) runtime.logger.error("the audit log cannot be written", { file, error: errorMessage(error) });
          problem = errorMessage(error);
          handle?.close().catch(() => {});
          handle = undefined;
        },
      )
      .finally(() => {
        writing = undefined;
      });
  };
  const flush = async (): Promise<void> => {
    while (writing !== undefined) await writing;
    await tidying;
  };
  return {
    write(lines) {
      const text = lines.map((line) => `${line}\n`).join("");
      if (waitingLength + text.length > waitingAtMost) return false;
      waiting.push({ text, lines: lines.length });
      waitingLength += text.length;
      begin();
      return true;
    },
    flush,
    async close() {
      await flush();
      const open = handle;
      handle = undefined;
      await open?.close();
    },
    get written() {
      return written;
    },
    get lost() {
      return lost;
    },
    get problem() {
      return problem;
    },
  };
}

/** Lines of one call. */
interface Waiting {
  readonly text: string;
  readonly lines: number;
}

function backupName(file: string, time: Date): string {
  const extension = extname(file);
  const stamp = time.toISOString().replaceAll(":", "-").slice(0, -1);
  return join(dirname(file), `${basename(file, extension)}-${stamp}${extension}`);
}

async function compress(file: string): Promise<void> {
  const fresh = `${file}.gz.new`;
  try {
    await pipeline(createReadStream(file), createGzip(), createWriteStream(fresh, { mode: 0o600 }));
    await rename(fresh, `${file}.gz`);
    await unlink(file);
  } catch (error) {
    await unlink(fresh).catch(() => {});
    throw error;
  }
}

/** Removes the old files that are too many or too old. Others' files in the folder are left alone. */
async function prune(file: string, { maxBackups, maxAgeDays }: LogRotation, now: number): Promise<void> {
  const extension = extname(file);
  const prefix = `${basename(file, extension)}-`;
  const folder = dirname(file);
  const ours = (await readdir(folder))
    .filter((name) => name.startsWith(prefix) && /^\d{4}-\d\d-\d\dT[\d-]+\.\d{3}/.test(name.slice(prefix.length)))
    .sort()
    .reverse();
  for (const [index, name] of ours.entries()) {
    const path = join(folder, name);
    const tooMany = maxBackups > 0 && index >= maxBackups;
    const tooOld = maxAgeDays > 0 && now - timeOf(name.slice(prefix.length)) > maxAgeDays * hours(24);
    if (tooMany || tooOld) await unlink(path).catch(ignoreMissing);
  }
}

/** When a file was set aside, by its name. */
function timeOf(stamp: string): number {
  const [date = "", time = ""] = stamp.slice(0, 23).split("T");
  return Date.parse(`${date}T${time.replaceAll("-", ":")}Z`);
}

function ignoreMissing(error: unknown): void {
  if (errorCode(error) !== "ENOENT") throw error;
}
