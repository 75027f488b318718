/** A span of time in milliseconds. Made by {@link seconds} and its siblings so that no number in the code needs its unit guessed. */
export type Duration = number;

export const milliseconds = (count: number): Duration => count;
export const seconds = (count: number): Duration => count * 1_000;
export const minutes = (count: number): Duration => count * 60_000;
export const hours = (count: number): Duration => count * 3_600_000;

/** Prints a duration the way Go and Kubernetes tools do: `1.5s`, `250ms`, `2m0s`, `3h20m0s`. */
export function formatDuration(duration: Duration): string {
  if (duration < 1_000) return `${Math.round(duration)}ms`;
  if (duration < 60_000) return `${Number((duration / 1_000).toFixed(3))}s`;
  const wholeSeconds = Math.round(duration / 1_000);
  const hourCount = Math.floor(wholeSeconds / 3_600);
  const rest = `${Math.floor((wholeSeconds % 3_600) / 60)}m${wholeSeconds % 60}s`;
  return hourCount > 0 ? `${hourCount}h${rest}` : rest;
}

const unitMs: Readonly<Record<string, number>> = { ns: 1e-6, us: 1e-3, µs: 1e-3, ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };

/** Reads a Go duration (`time.ParseDuration`: `1h15m30.5s`, `250ms`, `0`). Returns undefined for anything else. */
export function parseDuration(text: string): Duration | undefined {
  if (text === "0") return 0;
  const part = /(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h)/y;
  let total = 0;
  let end = 0;
  while (end < text.length) {
    part.lastIndex = end;
    const match = part.exec(text);
    if (match === null) return undefined;
    total += Number(match[1]) * (unitMs[match[2] ?? ""] ?? 0);
    end = part.lastIndex;
  }
  return end === 0 ? undefined : total;
}
