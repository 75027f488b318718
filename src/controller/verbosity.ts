import type { Logger, LogLevel } from "#lib/runtime/index.ts";

/** The numbers of klog's `--v`: 0 tells what an operator needs, 4 what a developer asks for, 5 and more everything. */
export function levelOfVerbosity(verbosity: number): LogLevel {
  if (verbosity < 4) return "info";
  return verbosity === 4 ? "debug" : "trace";
}

export function verbosityOf({ level }: Logger): number {
  return level === "trace" ? 5 : level === "debug" ? 4 : 0;
}
