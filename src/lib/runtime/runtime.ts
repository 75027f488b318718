import { type Clock, systemClock, type VirtualClock, virtualClock } from "./clock.ts";
import { createLogger, type Logger, type LogLevel, silentLogger } from "./logger.ts";
import { type Random, seededRandom, systemRandom } from "./random.ts";

/** What every component is handed instead of the globals: time, chance and a place to report. */
export interface Runtime {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/** The real thing, for processes: logs JSON lines to standard error. */
export function systemRuntime(options: { readonly level?: LogLevel } = {}): Runtime {
  const write = (line: string): void => void process.stderr.write(line);
  return { clock: systemClock, random: systemRandom, logger: createLogger({ clock: systemClock, write, level: options.level ?? "info" }) };
}

/** Time under control and chance from one seed, for tests and simulations. */
export function virtualRuntime(options: { readonly seed: number; readonly logger?: Logger }): Runtime & { readonly clock: VirtualClock } {
  return { clock: virtualClock(), random: seededRandom(options.seed), logger: options.logger ?? silentLogger };
}
