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
      // Even a packet that took no time that the clock sees took some.
      left -= allowance.kind === "rate" ? 1 : Math.max(duration, milliseconds(0.001));
    },
  };
}
