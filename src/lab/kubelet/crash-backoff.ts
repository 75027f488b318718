import { type Duration, minutes, seconds } from "#lib/runtime/duration.ts";

/** The stock kubelet's first and longest wait before a container that ended is started again. */
const firstWait = seconds(10);
const longestWait = minutes(5);
/** A container that ran this long starts over with the first wait. */
const forgetAfter = 2 * longestWait;

/** How long containers that end again and again have to wait. Times are milliseconds since the epoch. */
export interface CrashBackoff {
  /** The time before which a container that ended at `endedAt` is not started again, or undefined when it may start at once. */
  waitUntil(key: string, endedAt: number, now: number): { readonly time: number; readonly wait: Duration } | undefined;
  /** Notes that it is started again after having ended at `endedAt`: the next wait is longer. */
  restarted(key: string, endedAt: number, now: number): void;
  forget(prefix: string): void;
}

export function createCrashBackoff(): CrashBackoff {
  const entries = new Map<string, { readonly wait: Duration; readonly since: number }>();
  const valid = (key: string, endedAt: number) => {
    const entry = entries.get(key);
    return entry !== undefined && endedAt - entry.since <= forgetAfter ? entry : undefined;
  };
  return {
    waitUntil(key, endedAt, now) {
      const entry = valid(key, endedAt);
      return entry !== undefined && endedAt + entry.wait > now ? { time: endedAt + entry.wait, wait: entry.wait } : undefined;
    },
    restarted(key, endedAt, now) {
      const entry = valid(key, endedAt);
      entries.set(key, { wait: entry === undefined ? firstWait : Math.min(longestWait, entry.wait * 2), since: now });
    },
    forget(prefix) {
      for (const key of entries.keys()) if (key.startsWith(prefix)) entries.delete(key);
    },
  };
}
