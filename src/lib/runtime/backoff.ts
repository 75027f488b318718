import { type Clock, sleep } from "./clock.ts";
import { type Duration, milliseconds, seconds } from "./duration.ts";
import type { Random } from "./random.ts";

/** How long to wait before the next try: doubles from `initial` up to `limit`, ±20 % so that many clients do not march in step. */
export interface Backoff {
  next(): Duration;
  reset(): void;
}

export interface BackoffOptions {
  readonly random: Random;
  readonly initial?: Duration;
  readonly limit?: Duration;
}

export function createBackoff({ random, initial = milliseconds(50), limit = seconds(10) }: BackoffOptions): Backoff {
  let current = initial;
  return {
    next() {
      const jittered = current * (0.8 + random.below(401) / 1_000);
      current = Math.min(limit, current * 2);
      return jittered;
    },
    reset() {
      current = initial;
    },
  };
}

/** Runs `attempt` until it succeeds, waiting by backoff in between; `onFailure` hears of each failure. Ends early only when `signal` aborts. */
export async function retryUntilDone<T>(
  runtime: { readonly clock: Clock; readonly random: Random },
  attempt: () => Promise<T>,
  options: Omit<BackoffOptions, "random"> & {
    readonly signal?: AbortSignal;
    readonly onFailure?: (error: unknown, wait: Duration) => void;
  } = {},
): Promise<T> {
  const backoff = createBackoff({ random: runtime.random, ...options });
  for (;;) {
    options.signal?.throwIfAborted();
    try {
      return await attempt();
    } catch (error) {
      if (options.signal?.aborted) throw error;
      const wait = backoff.next();
      options.onFailure?.(error, wait);
      await sleep(runtime.clock, wait, options.signal);
    }
  }
}
