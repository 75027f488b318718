import type { PartOfTable } from "#core/pipeline/flow-ledger.ts";
import { createBackoff, type Duration, type Runtime, seconds } from "#lib/runtime/index.ts";
import type { Desired } from "./desired.ts";
import type { FlowTarget } from "./flow-target.ts";
import { pagesOf } from "./read-switch.ts";
import type { Repairs } from "./repairs.ts";

/** Tables that have no flows of ours are not watched, only looked at: whether there are any. */
const strangersEvery = seconds(5);
const refusedRetry = { initial: seconds(1), limit: seconds(60) };

/** What is looked at over one connection whether the switch tells of something or not, a page at a time. */
export interface RegularChecks {
  /** Milliseconds until the next one is due; what the switch refused is tried again with backoff. */
  dueIn(options: { readonly refused: boolean }): number;
  /** Makes those that are due. */
  make(connection: FlowTarget): Promise<void>;
}

export interface RegularChecksOptions {
  readonly runtime: Runtime;
  readonly desired: Desired;
  readonly repairs: Repairs;
  /** Tables that the switch tells changes of. */
  readonly watched: readonly number[];
  /** Tables whose flows the switch learns by itself. */
  readonly learned: readonly number[];
  /** In which time everything is read once. */
  readonly auditEvery: Duration;
  readonly retryRefused: (connection: FlowTarget) => Promise<void>;
}

export function createRegularChecks(options: RegularChecksOptions): RegularChecks {
  const { runtime, desired, repairs, watched, learned, auditEvery, retryRefused } = options;
  const { clock } = runtime;
  const begun = clock.monotonic();
  const due = { audit: begun + auditEvery, strangers: begun + strangersEvery, retry: Number.POSITIVE_INFINITY };
  const retryBackoff = createBackoff({ random: runtime.random, ...refusedRetry });
  let pages: PartOfTable[] = [];
  return {
    dueIn({ refused }) {
      const now = clock.monotonic();
      if (!refused) {
        due.retry = Number.POSITIVE_INFINITY;
        retryBackoff.reset();
      } else if (due.retry === Number.POSITIVE_INFINITY) due.retry = now + retryBackoff.next();
      return Math.max(0, Math.min(due.audit, due.strangers, due.retry) - now);
    },
    async make(connection) {
      const now = clock.monotonic();
      if (now >= due.retry) {
        due.retry = Number.POSITIVE_INFINITY;
        await retryRefused(connection);
      }
      if (now >= due.audit) {
        const page = pages.shift();
        if (page === undefined) {
          pages = await pagesOf(connection, { without: learned, ours: watched });
          await repairs.auditGroups(connection);
        } else await repairs.auditPage(connection, page);
        due.audit = now + auditEvery / (pages.length + 1);
      }
      if (now >= due.strangers) {
        // Meters may go after the flows, when all that is told has been dealt with.
        if (desired.knowsAll) await repairs.keepMeters(connection);
        for (const page of await pagesOf(connection, { without: [...watched, ...learned] })) await repairs.auditPage(connection, page);
        due.strangers = clock.monotonic() + strangersEvery;
      }
    },
  };
}
