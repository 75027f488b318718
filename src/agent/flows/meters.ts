import type { Meter, MeterMod } from "#lib/openflow/meter.ts";
import type { Difference } from "./compare.ts";

/** What is wrong among the meters `present`. */
export function compareMeters(wanted: readonly Meter[], present: readonly Meter[]): Difference<Meter>[] {
  const found = new Map(present.map((meter) => [meter.meter, meter]));
  const lacking = wanted.flatMap((meter): Difference<Meter>[] => {
    const there = found.get(meter.meter);
    if (there === undefined) return [{ finding: "missing", item: meter }];
    return sameMeter(there, meter) ? [] : [{ finding: "changed", item: meter }];
  });
  const numbers = new Set(wanted.map(({ meter }) => meter));
  const unknown = present.filter(({ meter }) => !numbers.has(meter));
  return [...lacking, ...unknown.map((item): Difference<Meter> => ({ finding: "unknown", item }))];
}

/** What makes it right. */
export function meterChange({ finding, item }: Difference<Meter>): MeterMod {
  if (finding === "unknown") return { command: "delete", meter: item.meter };
  return { command: finding === "missing" ? "add" : "modify", meter: item };
}

const sameMeter = (one: Meter, other: Meter): boolean =>
  one === other ||
  (one.unit === other.unit &&
    one.stats === other.stats &&
    one.bands.length === other.bands.length &&
    one.bands.every(({ rate, burst }, index) => rate === other.bands[index]?.rate && burst === other.bands[index]?.burst));
