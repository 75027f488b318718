import type { Logger, LogLevel } from "#lib/runtime/index.ts";

/** The numbers of klog's `--v`: 0 tells what an operator needs, 4 what a developer asks for, 5 and more everything. */
export function levelOfVerbosity(verbosity: number): LogLevel {
  if (verbosity < 4) return "info";
  return verbosity === 4 ? "debug" : "trace";
}

export function verbosityOf({ level }: Pick<Logger, "level">): number {
  return level === "trace" ? 5 : level === "debug" ? 4 : 0;
}

/** Reads a verbosity: a whole number from 0 to 99. Undefined for other text. */
export function parseVerbosity(text: string): number | undefined {
  return /^\d{1,2}$/.test(text) ? Number(text) : undefined;
}

/** What `/loglevel` does: sets the level when the query has one, and answers with the verbosity then in force. */
export function changeVerbosity(
  logger: Logger,
  level: string | null,
): { readonly ok: true; readonly verbosity: number } | { readonly ok: false; readonly problem: string } {
  if (level !== null) {
    const wanted = parseVerbosity(level);
    if (wanted === undefined) return { ok: false, problem: `level ${JSON.stringify(level)} is not a whole number from 0 to 99` };
    logger.level = levelOfVerbosity(wanted);
  }
  return { ok: true, verbosity: verbosityOf(logger) };
}
