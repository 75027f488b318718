import type { PolicyType } from "#core/api/controlplane/index.ts";
import type { NodeSummary } from "#core/statistics/index.ts";
import { badRequest, serviceUnavailable } from "#lib/apiserver/errors.ts";
import type { ResourceDefinition } from "#lib/apiserver/resource.ts";
import type { UserInfo } from "#lib/apiserver/user.ts";
import type { KubeObject, Reflection } from "#lib/kube/index.ts";
import { type Runtime, seconds } from "#lib/runtime/index.ts";
import type { OwnNodeOnly } from "../controlplane/own-node.ts";
import { type StatsOptions, statsDefinitions } from "./definitions.ts";
import { MulticastGroups } from "./multicast-groups.ts";
import type { NodeCounted } from "./node-counted.ts";
import { nodeLatencyDefinition } from "./node-latency.ts";
import { NodeReports, type NodeReportsOptions } from "./node-reports.ts";
import { summariesDefinition } from "./summaries.ts";

/**
 * How long sums are not told while nodes are missing in them: agents tell every controller all they counted each 30 s at least, so that who has said nothing by
 * then has no agent.
 */
const missingFor = seconds(45);

/** What policies let through and denied. */
export interface KeptStatistics {
  /** The kinds by which agents tell, and by which that is shown. */
  readonly definitions: readonly ResourceDefinition[];
  /** What one node counted of one policy. */
  on(node: string, policy: string): NodeCounted;
  /** Takes in what another replica knows; `heard` when that is all that the node had told by some moment since the replica began. */
  join(node: string, known: { readonly counted: ReadonlyMap<string, NodeCounted>; readonly heard: boolean }): void;
}

/** Keeps what agents tell of what they counted. */
export function keepStatistics(options: {
  readonly runtime: Pick<Runtime, "clock">;
  /** Gate NetworkPolicyStats. */
  readonly enabled: boolean;
  readonly nodes: Reflection<KubeObject>;
  /** Kinds of policies that have statistics. */
  readonly policies: ReadonlyMap<PolicyType, Reflection<KubeObject>>;
  readonly rulesOf: StatsOptions["rulesOf"];
  readonly ready: (signal: AbortSignal) => Promise<void>;
  readonly ownNode: OwnNodeOnly;
  /** Names this run of this replica. */
  readonly origin: string;
  readonly changed: NonNullable<NodeReportsOptions["changed"]>;
  /** Resolves when what the other replicas knew at the start is known here. */
  readonly whenHeard: () => Promise<void>;
  /** Resolves when the other replicas know all that is known here: no sum is told that another one would take back. */
  readonly whenShared: () => Promise<void>;
}): KeptStatistics {
  const { runtime, enabled, nodes, policies, rulesOf, ready, ownNode, origin, changed, whenHeard, whenShared } = options;
  const reports = new NodeReports({ ownEpoch: `${runtime.clock.wall()}-${origin}`, changed });
  const multicast = new MulticastGroups(nodes);
  const uids = new Set<string>();
  for (const table of policies.values())
    table.subscribe(
      ({ before, after }) => {
        const [gone, here] = [before?.metadata.uid, after?.metadata.uid];
        if (gone !== undefined && gone !== here) {
          uids.delete(gone);
          reports.forget(gone);
        }
        if (here === undefined) return;
        uids.add(here);
        reports.appeared(here);
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
    await whenHeard();
    refuseWhileMissing();
  };
  const refuseWhileMissing = (): void => {
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
    multicast.take(summary.node, summary.multicast ?? []);
    return { ...summary, policies: summary.policies.filter(({ policy }) => uids.has(policy.uid)) };
  };
  return {
    definitions: [
      summariesDefinition(take),
      ...statsDefinitions({ enabled, reports, policies: (type) => policies.get(type)?.rows() ?? [], rulesOf, ready: whole, whenShared }),
      multicast.definition(),
      nodeLatencyDefinition({ nodes, ownNode }),
    ],
    on: (node, policy) => reports.on(node, policy),
    join(node, { counted, heard }) {
      for (const [policy, each] of counted) reports.join(node, policy, each, (uid) => uids.has(uid));
      if (heard) reports.hear(node);
    },
  };
}
