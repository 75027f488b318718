import { builtInTiers, type Tier } from "#core/api/antrea/tier.ts";
import type { AdmissionRequest, Verdict } from "./review.ts";

/** Priorities between which Kubernetes and the kinds of policy.networking.k8s.io stand. */
const reservedPriorities: readonly number[] = [251, 252, 254, 255];
const clusterAdminPriority = 220;
const maximumTiers = 20;

export interface TierContext {
  readonly tiers: Iterable<Tier>;
  /** Whether a policy names the tier of the request. */
  readonly isUsed: boolean;
  /** Whether ClusterNetworkPolicies of policy.networking.k8s.io count. */
  readonly clusterNetworkPolicy: boolean;
  /** Who keeps the tiers that are always there. */
  readonly controller: string;
}

export function checkTier(request: AdmissionRequest, context: TierContext): Verdict {
  const tier = request.object as Tier | undefined;
  const former = request.oldObject as Tier | undefined;
  const denial =
    request.operation === "CREATE"
      ? checkNew(tier, context)
      : request.operation === "UPDATE"
        ? checkUpdate(tier, former, request.username === context.controller)
        : checkDelete(former, context);
  return denial === undefined ? {} : { denial };
}

function checkNew(tier: Tier | undefined, { tiers, clusterNetworkPolicy }: TierContext): string | undefined {
  const present = [...tiers];
  if (present.length >= maximumTiers) return `maximum number of Tiers supported: ${maximumTiers}`;
  const name = tier?.metadata.name ?? "";
  const priority = tier?.spec?.priority ?? 0;
  if (reservedPriorities.includes(priority)) return `tier ${name} priority ${priority} is reserved (spec.priority)`;
  if (clusterNetworkPolicy && priority === clusterAdminPriority)
    return `tier ${name} priority ${priority} is reserved for ClusterNetworkPolicy of policy.networking.k8s.io (spec.priority)`;
  const other = present.find(({ metadata, spec }) => spec?.priority === priority && metadata.name !== name);
  return other === undefined
    ? undefined
    : `tier ${name} priority ${priority} overlaps with existing Tier ${other.metadata.name} (spec.priority)`;
}

/** Without the gate nobody would enforce it, and who wrote it would not know. */
export const clusterNetworkPolicyIsOff: Verdict = {
  denial: "ClusterNetworkPolicy is not supported: the ClusterNetworkPolicy feature gate is not enabled",
};

/** ClusterNetworkPolicies stand where such a tier is: while there is one, none is taken. */
export function checkClusterNetworkPolicy(tiers: Iterable<Tier>): Verdict {
  const tier = [...tiers].find(({ spec }) => spec?.priority === clusterAdminPriority);
  if (tier === undefined) return {};
  return {
    denial: `tier ${tier.metadata.name} has priority ${clusterAdminPriority}, which ClusterNetworkPolicy needs: delete the tier first`,
  };
}

function checkUpdate(tier: Tier | undefined, former: Tier | undefined, isController: boolean): string | undefined {
  // The controller puts the priorities of the built-in tiers right.
  if (isController || tier?.spec?.priority === former?.spec?.priority) return undefined;
  return "update to Tier priority is not allowed (spec.priority)";
}

function checkDelete(tier: Tier | undefined, { isUsed }: TierContext): string | undefined {
  const name = tier?.metadata.name ?? "";
  if (builtInTiers.some((builtIn) => builtIn.name === name)) return `cannot delete reserved tier ${name}`;
  return isUsed ? `tier ${name} is referenced by one or more Antrea native policies` : undefined;
}
