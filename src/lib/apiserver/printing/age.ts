/** How long ago, the way `kubectl` prints it: two units at most, coarser the longer (`45s`, `3m12s`, `5h7m`, `2d3h`, `17d`, `2y31d`). */
export function formatAge(elapsedMs: number): string {
  const seconds = Math.trunc(elapsedMs / 1_000);
  if (seconds < -1) return "<invalid>";
  if (seconds < 0) return "0s";
  if (seconds < 2 * minute) return `${seconds}s`;
  if (seconds < 10 * minute) return pair(seconds, { unit: minute, name: "m", restUnit: 1, restName: "s" });
  if (seconds < 3 * hour) return `${Math.trunc(seconds / minute)}m`;
  if (seconds < 8 * hour) return pair(seconds, { unit: hour, name: "h", restUnit: minute, restName: "m" });
  if (seconds < 2 * day) return `${Math.trunc(seconds / hour)}h`;
  if (seconds < 8 * day) return pair(seconds, { unit: day, name: "d", restUnit: hour, restName: "h" });
  if (seconds < 2 * year) return `${Math.trunc(seconds / day)}d`;
  if (seconds < 8 * year) return pair(seconds, { unit: year, name: "y", restUnit: day, restName: "d" });
  return `${Math.trunc(seconds / year)}y`;
}

/** The age of something that happened at `timestamp` (RFC 3339); `<unknown>` when it has none. */
export function ageOf(timestamp: string | undefined, now: number): string {
  const then = timestamp === undefined ? Number.NaN : Date.parse(timestamp);
  return Number.isNaN(then) ? "<unknown>" : formatAge(now - then);
}

const minute = 60;
const hour = 60 * minute;
const day = 24 * hour;
const year = 365 * day;

interface Units {
  readonly unit: number;
  readonly name: string;
  readonly restUnit: number;
  readonly restName: string;
}

function pair(seconds: number, { unit, name, restUnit, restName }: Units): string {
  const rest = Math.trunc((seconds % unit) / restUnit);
  return `${Math.trunc(seconds / unit)}${name}${rest === 0 ? "" : `${rest}${restName}`}`;
}
