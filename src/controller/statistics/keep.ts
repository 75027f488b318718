import type { PolicyType } from "#core/api/controlplane/index.ts";
import type { NodeSummary } from "#core/statistics/index.ts";
import { badRequest, serviceUnavailable } from "#lib/apiserver/errors.ts";
import type { ResourceDefinition } from "#lib/apiserver/resource.ts";
import type { UserInfo } from "#lib/apiserver/user.ts";
import type { KubeObject, Reflection } from "#lib/kube/index.ts";
import { type Runtime, seconds } from "#lib/runtime/index.ts";
import type { OwnNodeOnly } from "../controlplane/own-node.ts";
import { statsDefinitions } from "./definitions.ts";
import { NodeReports } from "./node-reports.ts";
import { summariesDefinition } from "./summaries.ts";

/**
 * How long sums are not told while nodes are missing in them: agents tell every controller all they counted each 30 s at least, so that who has said nothing by
 * then has no agent.
 */
const missingFor = seconds(45);

/** The kinds by which agents tell what policies let through and denied, and by which that is shown. */
export function keepStatistics(options: {
  readonly runtime: Pick<Runtime, "clock">;
  /** Gate NetworkPolicyStats. */
  readonly enabled: boolean;
  readonly nodes: Reflection<KubeObject>;
  /** Kinds of policies that have statistics. */
  readonly policies: ReadonlyMap<PolicyType, Reflection<KubeObject>>;
  readonly ready: (signal: AbortSignal) => Promise<void>;
  readonly ownNode: OwnNodeOnly;
}): readonly ResourceDefinition[] {
  const { runtime, enabled, nodes, policies, ready, ownNode } = options;
  const reports = new NodeReports();
  const uids = new Set<string>();
  for (const table of policies.values())
    table.subscribe(
      ({ before, after }) => {
        const [gone, here] = [before?.metadata.uid, after?.metadata.uid];
        if (gone !== undefined && gone !== here) {
          uids.delete(gone);
          reports.forget(gone);
        }
        if (here !== undefined) uids.add(here);
      },
      { replay: true },
    );
  let readySince: number | undefined;
  const whenReady = async (signal: AbortSignal): Promise<void> => {
    await ready(signal);
    readySince ??= runtime.clock.monotonic();
  };
  const whole = async (signal: AbortSignal): Promise<void> => {
    await whenReady(signal);
    if (runtime.clock.monotonic() - (readySince ?? 0) >= missingFor) return;
    const missing = [...nodes.rows()].flatMap(({ metadata: { name = "" } }) => (reports.knows(name) ? [] : [name]));
    if (missing.length > 0)
      throw serviceUnavailable(
        `this controller is new, and ${missing.length} nodes have not told it their statistics yet (${missing[0]}, …)`,
      );
  };
  const take = async (summary: NodeSummary, user: UserInfo, signal: AbortSignal): Promise<NodeSummary> => {
    ownNode(user, "networkpolicies", summary.node);
    await whenReady(signal);
    if (nodes.get(summary.node) === undefined) throw badRequest(`there is no node ${JSON.stringify(summary.node)}`);
    reports.take(summary, (uid) => uids.has(uid));
    return { ...summary, policies: summary.policies.filter(({ policy }) => uids.has(policy.uid)) };
  };
  return [
    summariesDefinition(take),
    ...statsDefinitions({ enabled, reports, policies: (type) => policies.get(type)?.rows() ?? [], ready: whole }),
  ];
}
