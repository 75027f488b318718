import type { Clock } from "./clock.ts";

export const logLevels = ["error", "warn", "info", "debug", "trace"] as const;
export type LogLevel = (typeof logLevels)[number];

export type LogFields = Readonly<Record<string, unknown>>;

/** One line per event: what happened, with its facts as fields. Secrets never go in. */
export interface Logger {
  error(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  debug(message: string, fields?: LogFields): void;
  trace(message: string, fields?: LogFields): void;
  /** A logger whose lines carry `fields` too. Shares the level. */
  with(fields: LogFields): Logger;
  /** The level in force; settable at run time (`antctl log-level`). */
  level: LogLevel;
}

/** Logs JSON lines `{"time","level","message",…}` through `write`. */
export function createLogger(options: {
  readonly clock: Clock;
  readonly write: (line: string) => void;
  readonly level?: LogLevel;
}): Logger {
  return withFields({ clock: options.clock, write: options.write, threshold: { level: options.level ?? "info" } }, {});
}

/** Drops everything. For tests that do not look at logs. */
export const silentLogger: Logger = createLogger({
  clock: { monotonic: () => 0, wall: () => 0, after: () => ({ cancel() {} }), soon() {} },
  write: () => {},
});

interface Sink {
  readonly clock: Clock;
  readonly write: (line: string) => void;
  readonly threshold: { level: LogLevel };
}

function withFields(sink: Sink, fixed: LogFields): Logger {
  const log =
    (level: LogLevel) =>
    (message: string, fields?: LogFields): void => {
      if (logLevels.indexOf(level) > logLevels.indexOf(sink.threshold.level)) return;
      const time = new Date(sink.clock.wall()).toISOString();
      sink.write(`${JSON.stringify({ time, level, message, ...fixed, ...fields }, printable)}\n`);
    };
  return {
    error: log("error"),
    warn: log("warn"),
    info: log("info"),
    debug: log("debug"),
    trace: log("trace"),
    with: (fields) => withFields(sink, { ...fixed, ...fields }),
    get level() {
      return sink.threshold.level;
    },
    set level(level) {
      sink.threshold.level = level;
    },
  };
}

function printable(_key: string, value: unknown): unknown {
  if (value instanceof Error) return { name: value.name, message: value.message, code: (value as { code?: unknown }).code };
  if (typeof value === "bigint") return value.toString();
  return value;
}
