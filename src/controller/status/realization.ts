import type { Condition } from "#lib/kube/index.ts";

/** What one node last said of one policy. */
export interface NodeReport {
  /** Of the policy that it has. */
  readonly generation: number;
  /** Of its content; undefined from agents that do not tell. */
  readonly revision: string | undefined;
  readonly failed: boolean;
  /** It was read back from the switch, and nothing cached can contradict it. False from agents that cannot tell, such as those of the Go implementation. */
  readonly proven: boolean;
  readonly message: string;
  /** When it was heard first, in the monotonic time of this process. */
  readonly at: number;
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
  /** Of the content that is computed. Asked for only where a node tells of one. */
  readonly revision: () => string;
  /** Nothing of it is enforced. */
  readonly staged: boolean;
  /** Where it has to be; undefined while it is not computed, or cannot be. */
  readonly nodes: Iterable<string> | undefined;
  readonly reports: ReadonlyMap<string, NodeReport>;
  /** Whether a node has not proven, for too long, the members that the policy's groups have now. Default: nobody knows. */
  readonly isLate?: (node: string) => boolean;
  readonly unrealizable: { readonly reason: string; readonly message: string } | undefined;
  /** Parts of it that mean nothing here, each with its field; the rest is enforced. Default: none. */
  readonly problems?: readonly string[];
}

/** Longest text of failures that a condition carries. */
const messageLimit = 1_024;

/** The status of a policy: of each node in its span, whether it has the present generation. */
export function realization({
  generation,
  revision,
  staged,
  nodes,
  reports,
  isLate = () => false,
  unrealizable,
  problems = [],
}: RealizationOptions): PolicyStatus {
  const counts = { observedGeneration: generation, currentNodesRealized: 0, desiredNodesRealized: 0 };
  if (unrealizable !== undefined)
    return { phase: "Pending", ...counts, conditions: [{ type: realizableCondition, status: "False", ...unrealizable }] };
  if (nodes === undefined) return { phase: "Pending", ...counts, conditions: [] };
  let desired = 0;
  let realized = 0;
  const failures: string[] = [];
  const unproven: string[] = [];
  for (const node of nodes) {
    desired++;
    const report = reports.get(node);
    const isPresent = report !== undefined && isOf(report, generation, revision);
    if (!isPresent || report.failed || !report.proven)
      unproven.push(isPresent && report.message !== "" ? `${node} (${report.message})` : node);
    else if (isLate(node)) unproven.push(`${node} (not the members that its groups have now)`);
    if (!isPresent) continue;
    if (report.failed) failures.push(`"${node}":"${report.message}"`);
    else realized++;
  }
  const phase = realized === desired ? "Realized" : realized + failures.length === desired ? "Failed" : "Realizing";
  const conditions: Condition[] = [problems.length === 0 ? { type: realizableCondition, status: "True" } : isRealizable(problems)];
  if (phase === "Failed")
    conditions.push({
      type: "RealizationFailure",
      status: "True",
      reason: "NetworkPolicyRealizationFailedOnNode",
      message: shortened(`Failed Nodes count ${failures.length}: ${failures.sort().join(", ")}`),
    });
  conditions.push(staged ? isStaged : enforced(desired, unproven));
  return { phase, observedGeneration: generation, currentNodesRealized: realized, desiredNodesRealized: desired, conditions };
}

/** Whether a node has told of this generation, as it is computed now. */
export const isOf = (report: NodeReport, generation: number, revision: () => string): boolean =>
  report.generation === generation && (report.revision === undefined || report.revision === revision());

/** Condition by which users wait until a policy holds everywhere. */
export const enforcedCondition = "Enforced";
const isStaged: Condition = {
  type: enforcedCondition,
  status: "False",
  reason: "Staged",
  message: "it is staged: nothing of it is enforced",
};
/** Whether all that a policy says can be enforced. */
export const realizableCondition = "Realizable";

/** Of a kind whose conditions need a reason and a message. */
export const isRealizable = (problems: readonly string[]): Condition =>
  problems.length === 0
    ? { type: realizableCondition, status: "True", reason: "AsWritten", message: "every part of it means what it says" }
    : { type: realizableCondition, status: "False", reason: "NotAsWritten", message: shortened(problems.join("; ")) };

/** More nodes than these are counted, not named. */
const namedAtMost = 5;

/** What `kubectl wait --for=condition=Enforced` waits for: every node has proven the present generation, and none is late with members of its groups. */
function enforced(desired: number, unproven: readonly string[]): Condition {
  const proven = `${desired - unproven.length} of ${desired} nodes have proven it`;
  if (unproven.length === 0) return { type: enforcedCondition, status: "True", reason: "Proven", message: proven };
  const named = [...unproven].sort().slice(0, namedAtMost).join(", ");
  const more = unproven.length > namedAtMost ? ` and ${unproven.length - namedAtMost} more` : "";
  return { type: enforcedCondition, status: "False", reason: "NotProven", message: shortened(`${proven}; not ${named}${more}`) };
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
