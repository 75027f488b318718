import type { Meter } from "./meter.ts";

/** The meter as `ovs-ofctl add-meter` reads it. */
export function formatMeter({ meter, unit, stats, bands }: Meter): string {
  const flags = [unit, bands.some(({ burst }) => burst !== undefined) ? "burst" : "", stats ? "stats" : ""].filter((flag) => flag !== "");
  const written = bands.map(({ type, rate, burst }) => `type=${type},rate=${rate}${burst === undefined ? "" : `,burst_size=${burst}`}`);
  return `meter=${meter},${flags.join(",")},bands=${written.join(",")}`;
}

/** Whether a switch that has one would be unchanged by setting the other. */
export function sameMeter(one: Meter, other: Meter): boolean {
  return formatMeter(one) === formatMeter(other);
}
