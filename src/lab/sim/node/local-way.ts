import { type Clock, milliseconds } from "#lib/runtime/index.ts";

/** One way between two processes of a host. */
export const localWay = milliseconds(0.1);

/** One direction of a socket: what is written in one moment arrives as one, in its order. */
export class LocalWay {
  readonly #clock: Clock;
  #latest: { readonly at: number; readonly arrivals: (() => void)[] } | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  send(arrive: () => void): void {
    const at = this.#clock.monotonic();
    if (this.#latest?.at === at) return void this.#latest.arrivals.push(arrive);
    const batch = { at, arrivals: [arrive] };
    this.#latest = batch;
    this.#clock.after(localWay, () => {
      if (this.#latest === batch) this.#latest = undefined;
      for (const each of batch.arrivals) each();
    });
  }
}
