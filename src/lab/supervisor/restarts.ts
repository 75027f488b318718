import { createBackoff } from "#lib/runtime/backoff.ts";
import { sleep } from "#lib/runtime/clock.ts";
import { milliseconds, seconds } from "#lib/runtime/duration.ts";
import type { Runtime } from "#lib/runtime/runtime.ts";

/** A process that lived this long was well: its next restart is quick again. */
const healthyTime = seconds(10);

/** When a process that ended is started again: soon, and later each time it ends early. */
export interface Restarts {
  readonly count: number;
  /** A life of the process begins. */
  started(): void;
  /** It ended, `how` for the log. Resolves when it is time for the next life. */
  pause(how: string): Promise<void>;
}

export function createRestarts({ runtime, name }: { readonly runtime: Runtime; readonly name: string }): Restarts {
  const { clock, random } = runtime;
  const logger = runtime.logger.with({ process: name });
  const backoff = createBackoff({ random, initial: milliseconds(100), limit: seconds(5) });
  let count = 0;
  let startedAt = clock.monotonic();
  return {
    get count() {
      return count;
    },
    started() {
      startedAt = clock.monotonic();
    },
    async pause(how) {
      count++;
      if (clock.monotonic() - startedAt > healthyTime) backoff.reset();
      const wait = backoff.next();
      logger.warn("ended; starting it again", { how, waitMs: Math.round(wait) });
      await sleep(clock, wait);
    },
  };
}
