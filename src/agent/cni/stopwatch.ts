import type { Clock } from "#lib/runtime/index.ts";

/** Takes the time of named parts of a work, which may overlap. */
export interface Stopwatch {
  during<T>(part: string, work: () => Promise<T>): Promise<T>;
  /** Milliseconds by part, of those that ended. */
  readonly parts: Readonly<Record<string, number>>;
}

export function createStopwatch(clock: Clock): Stopwatch {
  const parts: Record<string, number> = {};
  return {
    parts,
    async during(part, work) {
      const started = clock.monotonic();
      try {
        return await work();
      } finally {
        parts[part] = Math.round((clock.monotonic() - started) * 10) / 10;
      }
    },
  };
}
