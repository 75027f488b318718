import { type FqdnSnapshot, readFqdnSnapshot, writeFqdnSnapshot } from "#core/fqdn/index.ts";
import { errorCode, errorMessage, type Files, type Runtime, seconds, systemFiles, type Timer } from "#lib/runtime/index.ts";

/** How long changes are gathered. What is lost when the machine dies in between is asked for again. */
const gather = seconds(2);

/** Keeps the names on disk, for a start that knows them at once. */
export interface FqdnFile {
  touch(): void;
  /** Writes what was touched, now. */
  flush(): Promise<void>;
}

/** Reads the file for a start, which goes on without it: undefined when there is none or it is damaged, which is told. */
export async function findFqdnSnapshot(
  file: string,
  { logger }: Pick<Runtime, "logger">,
  files: Files = systemFiles,
): Promise<FqdnSnapshot | undefined> {
  try {
    return readFqdnSnapshot(await files.read(file));
  } catch (error) {
    if (errorCode(error) !== "ENOENT")
      logger.error("starting without the names that were known; they are resolved anew", { file, error: errorMessage(error) });
    return undefined;
  }
}

export function keepFqdnFile(options: {
  readonly runtime: Runtime;
  readonly file: string;
  readonly files?: Files | undefined;
  readonly snapshot: () => FqdnSnapshot;
  readonly signal: AbortSignal;
}): FqdnFile {
  const { runtime, file, files = systemFiles, snapshot, signal } = options;
  let timer: Timer | undefined;
  let dirty = false;
  let writing: Promise<void> = Promise.resolve();
  const write = async (): Promise<void> => {
    dirty = false;
    try {
      await files.replace(file, writeFqdnSnapshot(snapshot()), { durable: true });
    } catch (error) {
      dirty = true;
      runtime.logger.warn("cannot keep the names of rules on disk; a restart would resolve them anew", {
        file,
        error: errorMessage(error),
      });
    }
  };
  return {
    touch() {
      dirty = true;
      if (timer !== undefined || signal.aborted) return;
      const due = (): void => {
        timer = undefined;
        writing = writing.then(write);
      };
      timer = runtime.clock.after(gather, due, { background: true });
    },
    async flush() {
      timer?.cancel();
      timer = undefined;
      await writing;
      if (dirty) await write();
    },
  };
}
