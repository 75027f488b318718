import type { Clock } from "#lib/runtime/index.ts";
import { createSharedMap } from "#lib/table/index.ts";
import type { Meter, MeterMod } from "../meter.ts";

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
  const meters = createSharedMap<number, Meter>();
  /** Absent until a packet comes: many meters never see one. */
  const fillings = new Map<number, Filling>();
  /** In order, until something changes: agents ask each few seconds. */
  let inOrder: readonly Meter[] | undefined;
  /** Makes it, or takes it away. Returns the way back. */
  const put = (number: number, meter: Meter | undefined): (() => void) => {
    const before = meters.get(number);
    const filling = fillings.get(number);
    fillings.delete(number);
    inOrder = undefined;
    if (meter === undefined) meters.delete(number);
    else meters.set(number, meter);
    return () => {
      put(number, before);
      if (filling !== undefined) fillings.set(number, filling);
    };
  };
  return {
    has: (meter) => meters.has(meter),
    dump() {
      inOrder ??= [...meters.values()].sort((one, other) => one.meter - other.meter);
      return [...inOrder];
    },
    change(mod, refuse) {
      if (mod.command === "delete") {
        const back = (mod.meter === "all" ? [...meters.keys()] : [mod.meter]).map((number) => put(number, undefined));
        return () => {
          for (const restore of back) restore();
        };
      }
      const exists = meters.has(mod.meter.meter);
      if (mod.command === "add" && exists) throw refuse("OFPMMFC_METER_EXISTS");
      if (mod.command === "modify" && !exists) throw refuse("OFPMMFC_UNKNOWN_METER");
      return put(mod.meter.meter, mod.meter);
    },
    admit(number, bytes) {
      const meter = meters.get(number);
      if (meter === undefined) return true;
      const now = Math.floor(clock.monotonic());
      const filling = fillings.get(number) ?? { buckets: meter.bands.map(capacity), used: now };
      fillings.set(number, filling);
      const { buckets, used } = filling;
      const elapsed = Math.max(0, now - Math.floor(used));
      filling.used = now;
      const volume = meter.unit === "pktps" ? 1000 : bytes * 8;
      let passes = true;
      for (const [index, band] of meter.bands.entries()) {
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
