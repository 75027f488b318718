import type { Duration } from "./duration.ts";

/** A timer that was started and can be stopped. Stopping twice, or after it fired, does nothing. */
export interface Timer {
  cancel(): void;
}

/** The only door to time. Pure code takes a Clock and never reads `Date` or starts a timer of its own. */
export interface Clock {
  /** Milliseconds since an arbitrary start; never goes back. For intervals and timeouts. */
  monotonic(): number;
  /** Milliseconds since the Unix epoch; may jump. For what people and other machines read. */
  wall(): number;
  /** Calls `run` once after `delay`. The timer does not keep a process alive when `background` is set. */
  after(delay: Duration, run: () => void, options?: { readonly background?: boolean }): Timer;
}

export const systemClock: Clock = {
  monotonic: () => performance.now(),
  wall: () => Date.now(),
  after(delay, run, options) {
    const handle = setTimeout(run, delay);
    if (options?.background) handle.unref();
    return { cancel: () => clearTimeout(handle) };
  },
};

/** Resolves after `delay`, or rejects with the signal's reason as soon as `signal` aborts. */
export function sleep(clock: Clock, delay: Duration, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const aborted = (): void => {
      timer.cancel();
      reject(signal?.reason);
    };
    const timer = clock.after(delay, () => {
      signal?.removeEventListener("abort", aborted);
      resolve();
    });
    signal?.addEventListener("abort", aborted, { once: true });
  });
}

/** A clock that stands still until told to move: tests and simulations run under it. */
export interface VirtualClock extends Clock {
  /** Moves time forward by `duration`, firing due timers in order of their due time, then of their start. */
  advance(duration: Duration): void;
  /** Moves to the next timer and fires it. Returns false when no timer is pending. */
  step(): boolean;
}

export function virtualClock(options: { readonly epoch?: number } = {}): VirtualClock {
  const epoch = options.epoch ?? Date.UTC(2026, 0, 1);
  let now = 0;
  let started = 0;
  const pending: { readonly due: number; readonly order: number; readonly run: () => void }[] = [];
  const insert = (due: number, run: () => void) => {
    const timer = { due, order: started++, run };
    let low = 0;
    let high = pending.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      const other = pending[middle];
      if (other !== undefined && (other.due < due || (other.due === due && other.order < timer.order))) low = middle + 1;
      else high = middle;
    }
    pending.splice(low, 0, timer);
    return timer;
  };
  const clock: VirtualClock = {
    monotonic: () => now,
    wall: () => epoch + now,
    after(delay, run) {
      const timer = insert(now + Math.max(0, delay), run);
      return {
        cancel: () => {
          const index = pending.indexOf(timer);
          if (index >= 0) pending.splice(index, 1);
        },
      };
    },
    advance(duration) {
      const until = now + duration;
      for (let first = pending[0]; first !== undefined && first.due <= until; first = pending[0]) clock.step();
      now = until;
    },
    step() {
      const first = pending.shift();
      if (first === undefined) return false;
      now = Math.max(now, first.due);
      first.run();
      return true;
    },
  };
  return clock;
}
