import type { AntreaGroup } from "#core/api/antrea/group.ts";
import { defaultTier, type Tier } from "#core/api/antrea/tier.ts";
import type { AntreaPolicy } from "#core/api/antrea/policy.ts";
import {
  antreaClusterNetworkPolicies,
  antreaNetworkPolicies,
  clusterGroups,
  groups,
  tiers as tierResource,
} from "#core/api/antrea/resources.ts";
import { isNotFound, type KubeClient } from "#lib/kube/index.ts";
import type { Verdict } from "./review.ts";

/** Policies of a tier that are asked after, one by one, before its deletion is refused. With more, some are taken to be there still: a refusal must not cost more the more there are. */
const mostAskedAfter = 16;

/** What the Kubernetes API itself says of the objects that a refusal would rest on. Each throws as the client does. */
export interface PresentObjects {
  tierExists(name: string): Promise<boolean>;
  tiers(): Promise<readonly Tier[]>;
  /** Whether one of `policies`, which named `tier` when they were heard of, does so still. */
  isStillUsed(tier: string, policies: readonly AntreaPolicy[]): Promise<boolean>;
  /** Groups of one kind and namespace. */
  groups(kind: "ClusterGroup" | "Group", namespace: string | undefined): Promise<readonly AntreaGroup[]>;
}

export function presentObjects(client: KubeClient): PresentObjects {
  const found = async <Kind>(object: Promise<Kind>): Promise<Kind | undefined> => {
    try {
      return await object;
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw error;
    }
  };
  return {
    tierExists: async (name) => (await found(client.get(tierResource, { name }))) !== undefined,
    tiers: async () => (await client.list(tierResource)).items,
    async isStillUsed(tier, policies) {
      if (policies.length > mostAskedAfter) return true;
      const present = await Promise.all(
        policies.map(({ metadata: { namespace, name = "" } }) =>
          found(client.get(namespace === undefined ? antreaClusterNetworkPolicies : antreaNetworkPolicies, { namespace, name })),
        ),
      );
      return present.some((policy) => policy !== undefined && tierOf(policy) === tier);
    },
    groups: async (kind, namespace) => (await (kind === "Group" ? client.list(groups, { namespace }) : client.list(clusterGroups))).items,
  };
}

/** The tier that a policy is in, as tiers are named. */
export const tierOf = ({ spec }: AntreaPolicy): string => (spec?.tier || defaultTier).toLowerCase();

/**
 * What `check` says of the objects that were heard of. A refusal stands only if it also says so of those that are there now, since what somebody wrote a moment
 * before may not have been heard of yet; without an answer it stands, too.
 */
export async function lookAgain<Objects>(
  known: Objects,
  present: () => Promise<Objects>,
  check: (objects: Objects) => Verdict,
): Promise<Verdict> {
  const verdict = check(known);
  if (verdict.denial === undefined) return verdict;
  try {
    return check(await present());
  } catch {
    return verdict;
  }
}
