/** One line of a container's log file, CRI format: `<RFC 3339 time> <stdout|stderr> <P|F> <text>`. */
export interface LogEntry {
  /** As written, with nanoseconds. */
  readonly time: string;
  readonly stream: "stdout" | "stderr";
  /** False when the runtime split a long line: the next entry of the stream goes on. */
  readonly complete: boolean;
  readonly text: string;
}

/** Reads one line without its newline. Undefined for a line that no runtime writes: half a line after a crash. */
export function parseLogLine(line: string): LogEntry | undefined {
  const match = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)) (stdout|stderr) ([PF])(?::\S*)? ?(.*)$/s.exec(line);
  if (match === null) return undefined;
  const [, time = "", stream, tag, text = ""] = match;
  return { time, stream: stream === "stderr" ? "stderr" : "stdout", complete: tag === "F", text };
}

/** What `kubectl logs` may ask for. */
export interface LogSelection {
  readonly follow: boolean;
  readonly timestamps: boolean;
  /** The last so many lines only. */
  readonly tailLines?: number;
  /** Entries from this time on, milliseconds since the epoch. */
  readonly since?: number;
  readonly limitBytes?: number;
}

/** The entry as `kubectl logs` prints it. */
export function formatLogEntry(entry: LogEntry, { timestamps }: Pick<LogSelection, "timestamps">): string {
  return `${timestamps ? `${entry.time} ` : ""}${entry.text}${entry.complete ? "\n" : ""}`;
}
