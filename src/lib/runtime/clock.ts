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
  /** Calls `run` once, behind everything that this turn of the event loop brings: what came together is dealt with together. Takes no time. */
  soon(run: () => void): void;
}

export const systemClock: Clock = {
  monotonic: () => performance.now(),
  wall: () => Date.now(),
  after(delay, run, options) {
    const handle = setTimeout(run, delay);
    if (options?.background) handle.unref();
    return { cancel: () => clearTimeout(handle) };
  },
  soon: (run) => void setImmediate(run),
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
  /** When the next timer is due, on the monotonic scale; undefined when none is pending. */
  readonly next: number | undefined;
}

class Pending implements Timer {
  readonly due: number;
  readonly order: number;
  /** Undefined once cancelled. */
  run: (() => void) | undefined;
  readonly #cancelled: () => void;

  constructor(options: { readonly due: number; readonly order: number; readonly run: () => void; readonly cancelled: () => void }) {
    this.due = options.due;
    this.order = options.order;
    this.run = options.run;
    this.#cancelled = options.cancelled;
  }

  cancel(): void {
    if (this.run === undefined) return;
    this.run = undefined;
    this.#cancelled();
  }
}

export function virtualClock(options: { readonly epoch?: number } = {}): VirtualClock {
  const epoch = options.epoch ?? Date.UTC(2026, 0, 1);
  let now = 0;
  let started = 0;
  const pending = createHeap();
  let cancelled = 0;
  const noteCancelled = (): void => {
    // Most timers are cancelled long before they are due: they go when they are more than half of all.
    if (++cancelled <= pending.size / 2) return;
    pending.keep(({ run: still }) => still !== undefined);
    cancelled = 0;
  };
  const start = (delay: Duration, run: () => void): Pending => {
    const timer = new Pending({ due: now + Math.max(0, delay), order: started++, run, cancelled: noteCancelled });
    pending.push(timer);
    return timer;
  };
  const dropCancelled = (): void => {
    for (let first = pending.first(); first !== undefined && first.run === undefined; first = pending.first()) {
      pending.shift();
      cancelled--;
    }
  };
  const clock: VirtualClock = {
    monotonic: () => now,
    wall: () => epoch + now,
    after: start,
    soon: (run) => void start(0, run),
    get next() {
      dropCancelled();
      return pending.first()?.due;
    },
    advance(duration) {
      const until = now + duration;
      for (let due = clock.next; due !== undefined && due <= until; due = clock.next) clock.step();
      now = until;
    },
    step() {
      dropCancelled();
      const timer = pending.shift();
      if (timer === undefined) return false;
      now = Math.max(now, timer.due);
      const { run } = timer;
      // Cancelling it from here on changes nothing.
      timer.run = undefined;
      run?.();
      return true;
    },
  };
  return clock;
}

/** Timers, the next one first: a binary heap, as simulations have hundreds of thousands. */
function createHeap() {
  let heap: Pending[] = [];
  const isBefore = (one: Pending, other: Pending): boolean => one.due < other.due || (one.due === other.due && one.order < other.order);
  const at = (index: number): Pending => heap[index] as Pending;
  const sink = (from: number): void => {
    const timer = at(from);
    let index = from;
    for (;;) {
      let child = 2 * index + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(at(child + 1), at(child))) child++;
      if (!isBefore(at(child), timer)) break;
      heap[index] = at(child);
      index = child;
    }
    heap[index] = timer;
  };
  return {
    get size() {
      return heap.length;
    },
    first: (): Pending | undefined => heap[0],
    push(timer: Pending): void {
      let index = heap.push(timer) - 1;
      while (index > 0) {
        const parent = (index - 1) >> 1;
        if (!isBefore(timer, at(parent))) break;
        heap[index] = at(parent);
        index = parent;
      }
      heap[index] = timer;
    },
    shift(): Pending | undefined {
      const first = heap[0];
      const last = heap.pop();
      if (last !== undefined && heap.length > 0) {
        heap[0] = last;
        sink(0);
      }
      return first;
    },
    keep(isKept: (timer: Pending) => boolean): void {
      heap = heap.filter(isKept);
      for (let index = (heap.length >> 1) - 1; index >= 0; index--) sink(index);
    },
  };
}
