import { type Duration, seconds } from "#lib/runtime/duration.ts";
import { auditTime } from "./format.ts";

/** How long equal events are one line, from the first on. */
const window = seconds(1);

export interface AuditMergerOptions {
  /** Different events that wait for their second to end; what is above is lost and counted. */
  readonly waitingAtMost?: number;
}

/** Makes lines of events: equal ones of a second are one, with their number. Pure; `now` is the wall clock in milliseconds, with fractions. */
export interface AuditMerger {
  /** Notes an event by its text. Those that allow a connection are a line of their own, at once; false when it was lost. */
  note(text: string, options: { readonly merge: boolean; readonly now: number }): boolean;
  /** Lines that are due; with `all` also of events whose second is not over. */
  take(now: number, options?: { readonly all?: boolean }): readonly string[];
  /** When {@link take} has something next; undefined when nothing waits. */
  nextDue(): number | undefined;
  readonly lost: number;
}

/** As many as 2 000 denials a second of different connections need, twice over. */
const defaultWaiting = 4_096;

export function createAuditMerger({ waitingAtMost = defaultWaiting }: AuditMergerOptions = {}): AuditMerger {
  /** In the order of their first event, which is the order in which they are due. */
  const waiting = new Map<string, { readonly since: number; count: number }>();
  const ready: string[] = [];
  let lost = 0;
  return {
    note(text, { merge, now }) {
      const known = merge ? waiting.get(text) : undefined;
      if (known !== undefined) {
        known.count++;
        return true;
      }
      if (waiting.size + ready.length >= waitingAtMost) {
        lost++;
        return false;
      }
      if (merge) waiting.set(text, { since: now, count: 1 });
      else ready.push(`${auditTime(now)} ${text}`);
      return true;
    },
    take(now, { all = false } = {}) {
      const lines = ready.splice(0);
      for (const [text, { since, count }] of waiting) {
        if (!all && since + window > now) break;
        waiting.delete(text);
        lines.push(`${auditTime(now)} ${text}${count === 1 ? "" : ` [${count} packets in ${goSeconds(now - since)}]`}`);
      }
      return lines;
    },
    nextDue() {
      if (ready.length > 0) return 0;
      const [first] = waiting.values();
      return first === undefined ? undefined : first.since + window;
    },
    get lost() {
      return lost;
    },
  };
}

/** A duration of a second or some as Go prints it: no digits that say nothing. */
const goSeconds = (duration: Duration): string => `${Number((duration / seconds(1)).toFixed(6))}s`;
