import type { Condition } from "#lib/kube/index.ts";

/** What one node last said of one policy. */
export interface NodeReport {
  /** Of the policy that it has. */
  readonly generation: number;
  readonly failed: boolean;
  readonly message: string;
}

/** How far a policy is enforced. */
export interface PolicyStatus {
  readonly phase: "Pending" | "Realizing" | "Realized" | "Failed";
  readonly observedGeneration: number;
  readonly currentNodesRealized: number;
  readonly desiredNodesRealized: number;
  readonly conditions: readonly Condition[];
}

export interface RealizationOptions {
  readonly generation: number;
  /** Where it has to be; undefined while it is not computed, or cannot be. */
  readonly nodes: Iterable<string> | undefined;
  readonly reports: ReadonlyMap<string, NodeReport>;
  readonly unrealizable: { readonly reason: string; readonly message: string } | undefined;
}

/** Longest text of failures that a condition carries. */
const messageLimit = 1_024;

/** The status of a policy: of each node in its span, whether it has the present generation. */
export function realization({ generation, nodes, reports, unrealizable }: RealizationOptions): PolicyStatus {
  const counts = { observedGeneration: generation, currentNodesRealized: 0, desiredNodesRealized: 0 };
  if (unrealizable !== undefined)
    return { phase: "Pending", ...counts, conditions: [{ type: "Realizable", status: "False", ...unrealizable }] };
  if (nodes === undefined) return { phase: "Pending", ...counts, conditions: [] };
  let desired = 0;
  let realized = 0;
  const failures: string[] = [];
  for (const node of nodes) {
    desired++;
    const report = reports.get(node);
    if (report === undefined || report.generation !== generation) continue;
    if (report.failed) failures.push(`"${node}":"${report.message}"`);
    else realized++;
  }
  const phase = realized === desired ? "Realized" : realized + failures.length === desired ? "Failed" : "Realizing";
  const conditions: Condition[] = [{ type: "Realizable", status: "True" }];
  if (phase === "Failed")
    conditions.push({
      type: "RealizationFailure",
      status: "True",
      reason: "NetworkPolicyRealizationFailedOnNode",
      message: shortened(`Failed Nodes count ${failures.length}: ${failures.sort().join(", ")}`),
    });
  return { phase, observedGeneration: generation, currentNodesRealized: realized, desiredNodesRealized: desired, conditions };
}

const shortened = (text: string): string => (text.length <= messageLimit ? text : `${text.slice(0, messageLimit - 3)}...`);

/** The status of a ClusterGroup or Group. */
export function groupConditions(content: { readonly nestingExceeded: boolean }): readonly Condition[] {
  return content.nestingExceeded
    ? [{ type: "GroupMembersComputed", status: "False", reason: "ChildGroupsNestingExceeded" }]
    : [{ type: "GroupMembersComputed", status: "True" }];
}

/** Conditions that say the same keep the time since when they do. */
export function withTimes(conditions: readonly Condition[], before: readonly Condition[], now: string): readonly Condition[] {
  return conditions.map((condition) => {
    const former = before.find(({ type }) => type === condition.type);
    const lastTransitionTime = former?.status === condition.status ? (former.lastTransitionTime ?? now) : now;
    return { ...condition, lastTransitionTime };
  });
}
