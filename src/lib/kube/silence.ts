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

interface SilenceOptions {
  readonly clock: Clock;
  readonly limit: Duration;
  readonly signal: AbortSignal;
}

export const createSilenceGuard = (options: SilenceOptions): SilenceGuard => new TimedGuard(options);

class TimedGuard implements SilenceGuard {
  readonly signal: AbortSignal;
  readonly #clock: Clock;
  readonly #limit: Duration;
  readonly #silent = new AbortController();
  #lastHeard: number | undefined;
  #timer: { cancel(): void } | undefined;

  constructor({ clock, limit, signal }: SilenceOptions) {
    this.#clock = clock;
    this.#limit = limit;
    this.signal = AbortSignal.any([signal, this.#silent.signal]);
  }

  get listening(): boolean {
    return this.#lastHeard !== undefined;
  }

  heard(): void {
    const isFirst = this.#lastHeard === undefined;
    this.#lastHeard = this.#clock.monotonic();
    if (isFirst) this.#look();
  }

  stop(): void {
    this.#timer?.cancel();
  }

  /** One timer for many events: it looks when it fires, and sleeps for the rest. */
  #look(): void {
    const left = (this.#lastHeard ?? 0) + this.#limit - this.#clock.monotonic();
    if (left > 0) this.#timer = this.#clock.after(left, () => this.#look(), { background: true });
    else this.#silent.abort(new WatchSilent(this.#limit));
  }
}
