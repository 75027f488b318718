import { type Clock, type Duration, milliseconds, seconds } from "#lib/runtime/index.ts";

/** How much may be done for one category of packets. */
export type Allowance =
  | { readonly kind: "unlimited" }
  /** Packets a second, and at once after a pause. */
  | { readonly kind: "rate"; readonly perSecond: number; readonly burst: number }
  /** The part of a processor that the handler may take, 0 to 1, over any second. */
  | { readonly kind: "share"; readonly share: number };

/** Says whether the next packet may be dealt with, and hears what the last one took. */
export interface Gauge {
  admits(): boolean;
  spent(duration: Duration): void;
}

/**
 * What one packet is charged. One that took no time that the clock sees took some; and what is far beyond the dearest is time in which the process
 * waited for a processor: on a busy machine a few such packets would use up a share that thousands have room in.
 */
const cost = { least: milliseconds(0.001), most: milliseconds(0.5) } as const;

/** A bucket that fills with time and holds at most `capacity`. */
export function createAllowance(allowance: Allowance, clock: Clock): Gauge {
  if (allowance.kind === "unlimited") return { admits: () => true, spent: () => {} };
  const perSecond = allowance.kind === "rate" ? allowance.perSecond : allowance.share * seconds(1);
  const capacity = allowance.kind === "rate" ? allowance.burst : allowance.share * seconds(1);
  let left = capacity;
  let since = clock.monotonic();
  return {
    admits() {
      const now = clock.monotonic();
      left = Math.min(capacity, left + ((now - since) / seconds(1)) * perSecond);
      since = now;
      return allowance.kind === "rate" ? left >= 1 : left > 0;
    },
    spent(duration) {
      left -= allowance.kind === "rate" ? 1 : Math.min(Math.max(duration, cost.least), cost.most);
    },
  };
}
