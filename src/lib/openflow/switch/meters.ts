import type { Clock } from "#lib/runtime/index.ts";
import type { Meter, MeterMod } from "../meter.ts";

interface MeterState {
  readonly meter: Meter;
  /** Absent until a packet comes: many meters never see one. */
  filling: Filling | undefined;
}

interface Filling {
  /** What is left per band, in thousandths of a packet or bits. */
  readonly buckets: number[];
  used: number;
}

/** The meter table. */
export interface Meters {
  has(meter: number): boolean;
  dump(): Meter[];
  /** Makes a change and returns the way back. Throws what `refuse` makes of OpenFlow's name for why it cannot. */
  change(mod: MeterMod, refuse: (reason: string) => Error): () => void;
  /** Whether a packet of `bytes` passes; what it takes is taken. */
  admit(meter: number, bytes: number): boolean;
}

/** Meters as the userspace datapath runs them: a bucket per band that starts full and holds one burst. */
export function createMeters(clock: Clock): Meters {
  const states = new Map<number, MeterState>();
  return {
    has: (meter) => states.has(meter),
    dump: () => [...states.values()].map(({ meter }) => meter).sort((one, other) => one.meter - other.meter),
    change(mod, refuse) {
      const before = new Map(states);
      if (mod.command === "delete") {
        if (mod.meter === "all") states.clear();
        else states.delete(mod.meter);
      } else {
        const exists = states.has(mod.meter.meter);
        if (mod.command === "add" && exists) throw refuse("OFPMMFC_METER_EXISTS");
        if (mod.command === "modify" && !exists) throw refuse("OFPMMFC_UNKNOWN_METER");
        states.set(mod.meter.meter, { meter: mod.meter, filling: undefined });
      }
      return () => {
        states.clear();
        for (const [number, state] of before) states.set(number, state);
      };
    },
    admit(number, bytes) {
      const state = states.get(number);
      if (state === undefined) return true;
      const now = Math.floor(clock.monotonic());
      state.filling ??= { buckets: state.meter.bands.map(capacity), used: now };
      const { buckets, used } = state.filling;
      const elapsed = Math.max(0, now - Math.floor(used));
      state.filling.used = now;
      const volume = state.meter.unit === "pktps" ? 1000 : bytes * 8;
      let passes = true;
      for (const [index, band] of state.meter.bands.entries()) {
        const filled = Math.min(capacity(band), (buckets[index] ?? 0) + elapsed * band.rate);
        if (filled < volume) passes = false;
        buckets[index] = filled < volume ? filled : filled - volume;
      }
      return passes;
    },
  };
}

/** A band without a burst holds what its rate gives in a second. */
const capacity = ({ rate, burst }: Meter["bands"][number]): number => (burst || rate) * 1000;
