import { decodeSummary, encodeSummary, type NodeSummary } from "#core/statistics/index.ts";
import type { KubeClient } from "#lib/kube/index.ts";
import { errorMessage, type Runtime, seconds, sleep } from "#lib/runtime/index.ts";
import type { NodeStatistics } from "./keep.ts";
import { reportDifferences } from "./report-differences.ts";
import { postSummary } from "./summaries.ts";
import { createTold } from "./told.ts";

/** Controllers are told so rarely when nothing differs and nobody noticed that one was restarted: it knows nothing until then. */
const unchangedEvery = seconds(30);
/** And so often at most while counters change. */
const leastPause = seconds(5);
/** One that hangs does not hold up what the others are told. */
const answerWithin = seconds(5);

/**
 * Tells every controller what this node counted, as sums since its counting began, so that it does not matter which of them heard what before. One of antrea (Go)
 * that is followed is told differences instead.
 */
export function reportStatistics(options: {
  readonly runtime: Runtime;
  readonly statistics: Pick<NodeStatistics, "epoch" | "policies" | "readNow" | "forget" | "onChange">;
  /** Every controller that can be reached. */
  readonly clients: () => readonly KubeClient[];
  /** Hears that there are others, or may be: one that was restarted may look as before. */
  readonly onClientsChange: (listener: () => void) => void;
  /** False while a controller is followed that would take sums for differences, or none was yet. */
  readonly takesSums: () => boolean;
  /** The controller that is followed, where it would. */
  readonly takesDifferences: () => KubeClient | undefined;
  readonly node: string;
  /** UIDs of the policies that hold for pods of this node; nobody asks controllers whether such are gone. */
  readonly known: () => ReadonlySet<string>;
  readonly signal: AbortSignal;
}): void {
  const { runtime, statistics, clients, onClientsChange, takesSums, takesDifferences, node, known, signal } = options;
  const told = createTold(statistics);
  let texts = new WeakMap<KubeClient, string>();
  let wake: () => void = () => {};
  let complaint: string | undefined;

  /** The policies that the controller knows, of those that it was told of; undefined where it does not say. */
  const tell = async (client: KubeClient, summary: NodeSummary): Promise<ReadonlySet<string> | undefined> => {
    const answer = await postSummary({ clock: runtime.clock, client, summary, within: answerWithin, signal });
    const decoded = decodeSummary(answer);
    // Others do not say back what they took.
    if (!decoded.ok || decoded.value.epoch !== statistics.epoch) return undefined;
    return new Set(decoded.value.policies.map(({ policy }) => policy.uid));
  };
  const report = async ({ all }: { readonly all: boolean }): Promise<void> => {
    if (!takesSums()) return;
    const moment = told.now();
    const { policies } = moment;
    const summary: NodeSummary = { node, epoch: statistics.epoch, policies };
    const text = JSON.stringify(encodeSummary(summary));
    const targets = clients().filter((client) => all || texts.get(client) !== text);
    const answers = await Promise.allSettled(
      targets.map(async (client) => {
        const there = await tell(client, summary);
        texts.set(client, text);
        moment.acknowledge();
        return there;
      }),
    );
    const failed = answers.find((answer) => answer.status === "rejected");
    const reason = failed === undefined ? undefined : errorMessage(failed.reason);
    if (reason !== undefined && reason !== complaint)
      runtime.logger.warn("a controller was not told this node's statistics", { error: reason });
    complaint = reason;
    if (!all || targets.length === 0 || failed !== undefined) return;
    const there = answers.flatMap((answer) => (answer.status === "fulfilled" ? [answer.value] : []));
    const here = known();
    for (const { policy } of policies)
      if (!here.has(policy.uid) && there.every((uids) => uids !== undefined && !uids.has(policy.uid))) statistics.forget(policy.uid);
  };
  const run = async (): Promise<void> => {
    let allAt = 0;
    while (!signal.aborted) {
      const poked = new Promise<void>((resolve) => {
        wake = resolve;
      });
      const all = runtime.clock.monotonic() >= allAt;
      if (all) allAt = runtime.clock.monotonic() + unchangedEvery;
      await report({ all });
      await sleep(runtime.clock, leastPause, signal).catch(() => {});
      const enough = new AbortController();
      const rest = Math.max(0, allAt - runtime.clock.monotonic());
      // Who was not told is told again, though nothing differs.
      const wait = complaint === undefined ? rest : Math.min(rest, leastPause);
      await Promise.race([poked, sleep(runtime.clock, wait, AbortSignal.any([signal, enough.signal])).catch(() => {})]);
      enough.abort();
    }
  };
  statistics.onChange(() => wake());
  onClientsChange(() => {
    texts = new WeakMap();
    wake();
  });
  void run();
  void reportDifferences({ runtime, statistics, told, takesDifferences, node, signal });
}
