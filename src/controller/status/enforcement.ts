import {
  type ComputedRevisions,
  controlplaneApiVersion,
  type EnforcementStatus,
  encodeComputedRevisions,
  type NodeEnforcement,
  policyRevision,
} from "#core/api/controlplane/index.ts";
import type { PolicyView } from "#core/policy/index.ts";
import { once } from "../controlplane/once.ts";
import type { ChangeTimes } from "./change-times.ts";
import { isOf, type NodeReport } from "./realization.ts";

/** How far a policy is enforced, node by node, as GET of its status answers. */
export function describeEnforcement({
  policy,
  reports,
  times,
  isMembersProven = () => undefined,
  asOf,
}: {
  readonly policy: PolicyView;
  readonly reports: ReadonlyMap<string, NodeReport>;
  readonly times: ChangeTimes;
  /** Of a node: whether it has proven the members that are asked after; undefined where it does not tell. */
  readonly isMembersProven?: (node: string) => boolean | undefined;
  readonly asOf?: ComputedRevisions;
}): EnforcementStatus {
  const { row } = policy;
  const { name, generation, sourceRef, staged } = row;
  const revision = once(() => policyRevision(row));
  const nodes = [...policy.span.nodes()].sort().map((nodeName): NodeEnforcement => {
    const report = reports.get(nodeName);
    if (report === undefined || !isOf(report, generation, revision))
      return { nodeName, generation: report?.generation ?? 0, state: "Waiting" };
    const { failed, proven, message, at } = report;
    const told = times.of(name, generation, nodeName);
    const membersProven = isMembersProven(nodeName);
    return {
      nodeName,
      generation,
      state: failed ? "Failed" : proven ? "Proven" : "Realized",
      ...(message !== "" && { message }),
      ...(membersProven !== undefined && { membersProven }),
      ...(proven && told !== undefined && { afterMilliseconds: Math.max(0, Math.round((at - told) * 10) / 10) }),
    };
  });
  return {
    apiVersion: controlplaneApiVersion,
    kind: "NetworkPolicyStatus",
    metadata: { name },
    policy: sourceRef,
    generation,
    ...(staged === true && { staged }),
    ...(asOf !== undefined && { asOf: encodeComputedRevisions(asOf) }),
    nodes,
  };
}
