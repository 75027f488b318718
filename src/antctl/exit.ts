import { errorMessage } from "#lib/runtime/errors.ts";

/** Exit codes of antctl, as documented in docs/antctl.md. */
export const exitCodes = { ok: 0, failed: 1, usage: 2, notYet: 3, interrupted: 130 } as const;

/** One line on standard error, exit code 1. */
export function fail(error: unknown): void {
  process.stderr.write(`antctl: ${errorMessage(error)}\n`);
  process.exitCode = exitCodes.failed;
}
