import { builtInTiers } from "#core/api/antrea/tier.ts";
import type { KubeObject } from "#lib/kube/index.ts";
import type { WorldHistory, WorldKind } from "./history.ts";

const policies: readonly WorldKind[] = ["AntreaClusterNetworkPolicy", "AntreaNetworkPolicy"];
const upstreamPolicies: readonly WorldKind[] = ["K8sClusterNetworkPolicy"];
const groups: readonly WorldKind[] = ["ClusterGroup", "Group"];

/** What is read of the status that a controller writes. */
interface Written extends KubeObject {
  readonly status?: {
    readonly phase?: string;
    readonly observedGeneration?: number;
    readonly currentNodesRealized?: number;
    readonly desiredNodesRealized?: number;
    readonly conditions?: readonly { readonly type: string; readonly status: string; readonly observedGeneration?: number }[];
  };
}

/** What the controller that holds the Lease ought to have written to the API when all has settled, and has not. */
export function notWrittenDown({ present }: Pick<WorldHistory, "present">): string[] {
  const tiers = builtInTiers.filter(({ name }) => !present.Tier.has(name)).map(({ name }) => `Tier ${name} is not there`);
  const objects = (kinds: readonly WorldKind[]) =>
    kinds.flatMap((kind) => [...present[kind]].map(([key, object]) => ({ kind, key, object: object as Written })));
  return [
    ...tiers,
    ...objects(policies).flatMap(({ kind, key, object }) => troubleOf(object).map((trouble) => `${kind} ${key}: ${trouble}`)),
    ...objects(upstreamPolicies).flatMap(({ kind, key, object }) =>
      upstreamTroubleOf(object).map((trouble) => `${kind} ${key}: ${trouble}`),
    ),
    ...objects(groups)
      .filter(({ object }) => (object.status?.conditions ?? []).length === 0)
      .map(({ kind, key }) => `${kind} ${key}: its status has no condition`),
  ];
}

function troubleOf({ metadata: { generation }, status }: Written): string[] {
  if (status === undefined) return ["it has no status"];
  const { phase, observedGeneration, currentNodesRealized, desiredNodesRealized, conditions = [] } = status;
  if (observedGeneration !== generation) return [`its status is of generation ${observedGeneration}, and it is ${generation}`];
  // What cannot be computed waits for whoever writes what it names.
  if (phase === "Pending" && conditions.some(({ type, status: value }) => type === "Realizable" && value === "False")) return [];
  const isStaged = conditions.some((condition) => condition.type === "Enforced" && "reason" in condition && condition.reason === "Staged");
  const isEnforced = conditions.some(({ type, status: value }) => type === "Enforced" && value === "True");
  return phase === "Realized" && (isStaged || isEnforced)
    ? []
    : [`its status says ${phase}, ${currentNodesRealized} of ${desiredNodesRealized} nodes, Enforced ${isEnforced}`];
}

/** Of a kind whose status has conditions alone. */
function upstreamTroubleOf({ metadata: { generation }, status }: Written): string[] {
  return ["Enforced", "Realizable"].flatMap((type) => {
    const found = status?.conditions?.find((condition) => condition.type === type);
    if (found === undefined) return [`its status has no condition ${type}`];
    if (found.observedGeneration !== generation)
      return [`its ${type} is of generation ${found.observedGeneration}, and it is ${generation}`];
    return found.status === "True" ? [] : [`its ${type} is ${found.status}`];
  });
}
