import type { Clock } from "#lib/runtime/clock.ts";
import { type Duration, minutes } from "#lib/runtime/duration.ts";
import { WatchSilent } from "./errors.ts";

/**
 * How long a watch may say nothing. Servers send a bookmark about each minute; three missed ones mean a connection that somebody on the way has
 * forgotten. Where a server sends none, the watch is merely opened again from where it was.
 */
export const watchSilenceLimit: Duration = minutes(3);

/** Ends a watch that hangs: aborts `signal` when nothing was heard for `limit`. */
export interface SilenceGuard {
  /** Aborts with the reason of the outer signal, or with {@link WatchSilent}. */
  readonly signal: AbortSignal;
  /** Whether time counts yet. */
  readonly listening: boolean;
  /** Something was heard: time counts from here. Nothing counts before the first call. */
  heard(): void;
  /** No longer needed. */
  stop(): void;
}

export function createSilenceGuard(options: {
  readonly clock: Clock;
  readonly limit: Duration;
  readonly signal: AbortSignal;
}): SilenceGuard {
  const { clock, limit } = options;
  const silent = new AbortController();
  let lastHeard: number | undefined;
  let timer: { cancel(): void } | undefined;
  // One timer for many events: it looks when it fires, and sleeps for the rest.
  const look = (): void => {
    const left = (lastHeard ?? 0) + limit - clock.monotonic();
    if (left > 0) timer = clock.after(left, look, { background: true });
    else silent.abort(new WatchSilent(limit));
  };
  return {
    signal: AbortSignal.any([options.signal, silent.signal]),
    get listening() {
      return lastHeard !== undefined;
    },
    heard() {
      const isFirst = lastHeard === undefined;
      lastHeard = clock.monotonic();
      if (isFirst) look();
    },
    stop: () => timer?.cancel(),
  };
}
