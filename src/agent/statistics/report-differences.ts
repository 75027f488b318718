import type { KubeClient } from "#lib/kube/index.ts";
import { errorMessage, type Runtime, seconds, sleep } from "#lib/runtime/index.ts";
import type { NodeStatistics } from "./keep.ts";
import { postSummary } from "./summaries.ts";
import type { Told } from "./told.ts";

/** As often as antrea (Go)'s agents. */
const every = seconds(60);
/** Longer than one needs that is alive: what is told again though it was taken counts twice. */
const answerWithin = seconds(60);

/** Tells the controller that is followed what came since the last report that was acknowledged, while it is one that takes such: antrea (Go)'s form. */
export async function reportDifferences(options: {
  readonly runtime: Runtime;
  readonly statistics: Pick<NodeStatistics, "readNow">;
  readonly told: Told;
  /** The controller that is followed, where it adds up differences. */
  readonly takesDifferences: () => KubeClient | undefined;
  readonly node: string;
  readonly signal: AbortSignal;
}): Promise<void> {
  const { runtime, statistics, told, takesDifferences, node, signal } = options;
  const { clock, logger } = runtime;
  let complaint: string | undefined;
  // What an earlier process told is not known: better not told than counted twice.
  await statistics.readNow();
  const first = told.now();
  if (first.differences === undefined) first.acknowledge();
  while (!signal.aborted) {
    await sleep(clock, every, signal).catch(() => {});
    const client = signal.aborted ? undefined : takesDifferences();
    if (client === undefined) continue;
    const moment = told.now();
    const { differences: policies = [] } = moment;
    if (policies.length === 0) continue;
    try {
      await postSummary({ clock, client, summary: { node, epoch: undefined, policies }, within: answerWithin, signal });
      moment.acknowledge();
      complaint = undefined;
    } catch (error) {
      const reason = errorMessage(error);
      if (reason !== complaint && !signal.aborted) logger.warn("the controller did not take what this node counted", { error: reason });
      complaint = reason;
    }
  }
}
