import { type Flow, flowKey } from "#lib/openflow/flow.ts";
import { formatFlow } from "#lib/openflow/flow-text.ts";
import { type Clock, type Duration, errorMessage, seconds, sleep } from "#lib/runtime/index.ts";
import type { Proof } from "../policies/index.ts";
import type { FlowReconciler } from "./reconciler.ts";

/** Longest time for the switch to go over its cache: two rounds of revalidators, which on a large cache take a few seconds. */
const freshWithin: Duration = seconds(10);

/**
 * Proves that the switch does what it is told about policies: reads their tables back, and lets it go over what it has cached. Flows that are known to be refused and
 * whose policy is known (`policyOf`) are a failure of that policy, and no contradiction.
 */
export async function prove(options: {
  readonly clock: Clock;
  readonly reconciler: Pick<FlowReconciler, "readBack" | "status">;
  readonly tables: readonly number[];
  readonly policyOf: (flow: Flow) => string | undefined;
  /** Resolves when nothing is cached from before the call. */
  readonly cacheFresh: () => Promise<void>;
  readonly signal: AbortSignal;
}): Promise<Proof> {
  const { clock, reconciler, tables, policyOf, cacheFresh, signal } = options;
  const begun = clock.monotonic();
  const differences = await reconciler.readBack(tables, signal);
  const readMs = clock.monotonic() - begun;
  const refused = new Set(reconciler.status().refused.map(({ flow }) => flowKey(flow)));
  const wrong = differences.filter(({ item }) => !refused.has(flowKey(item)) || policyOf(item) === undefined);
  const [first] = wrong;
  if (first !== undefined)
    return {
      readMs,
      contradiction: `${wrong.length} flows of policies are not as they should be; ${first.finding}: ${formatFlow(first.item)}`,
    };
  try {
    await within(clock, freshWithin, cacheFresh(), signal);
    return { readMs };
  } catch (error) {
    signal.throwIfAborted();
    return { readMs, doubt: `what Open vSwitch has cached from before is not known: ${errorMessage(error)}` };
  }
}

async function within(clock: Clock, limit: Duration, work: Promise<void>, signal: AbortSignal): Promise<void> {
  const done = new AbortController();
  const late = sleep(clock, limit, AbortSignal.any([done.signal, signal])).then(() =>
    Promise.reject(new Error(`no answer within ${limit / 1_000} s`)),
  );
  late.catch(() => {});
  try {
    await Promise.race([work, late]);
  } finally {
    done.abort();
  }
}
