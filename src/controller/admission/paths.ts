import type { AntreaGroup } from "#core/api/antrea/group.ts";
import type { AntreaPolicy } from "#core/api/antrea/policy.ts";
import { defaultTier, type Tier } from "#core/api/antrea/tier.ts";
import type { FeatureGate } from "#core/api/feature-gates.ts";
import type { Authorizer } from "#lib/apiserver/auth/authorizer.ts";
import type { PathExchange } from "#lib/apiserver/http/serve-path.ts";
import type { KubeObject } from "#lib/kube/index.ts";
import type { PolicySource } from "../policy-sources.ts";
import { completePolicy } from "./defaults.ts";
import { checkGroup } from "./groups.ts";
import { checkPolicy } from "./policies.ts";
import { reviewPath } from "./review.ts";
import { checkClusterNetworkPolicy, checkTier } from "./tiers.ts";
import { webhookPaths } from "./webhooks.ts";

export interface AdmissionOptions {
  readonly sources: readonly PolicySource[];
  readonly featureGates: readonly FeatureGate[];
  /** The namespace of the controller's ServiceAccount. */
  readonly namespace: string;
}

/** What the Kubernetes API asks before it writes objects of crd.antrea.io. */
export function admissionPaths({
  sources,
  featureGates,
  namespace,
}: AdmissionOptions): Readonly<Record<string, (exchange: PathExchange) => Promise<void>>> {
  const isOn = (name: string): boolean => featureGates.some((gate) => gate.name === name && gate.enabled);
  if (!isOn("AntreaPolicy")) return {};
  const rows = <Kind extends KubeObject>(kind: PolicySource["kind"]): readonly Kind[] =>
    sources.filter((source) => source.kind === kind).flatMap(({ table }) => [...table.rows()] as unknown as Kind[]);
  const policies = (): readonly AntreaPolicy[] => [
    ...rows<AntreaPolicy>("AntreaClusterNetworkPolicy"),
    ...rows<AntreaPolicy>("AntreaNetworkPolicy"),
  ];
  const tierOf = ({ spec }: AntreaPolicy): string => (spec?.tier || defaultTier).toLowerCase();

  const policy = reviewPath((request) =>
    checkPolicy(request, {
      tierExists: (tier) => rows<Tier>("Tier").some(({ metadata }) => metadata.name === tier),
      l7NetworkPolicy: isOn("L7NetworkPolicy"),
    }),
  );
  const complete = reviewPath(completePolicy);
  const group = (kind: "ClusterGroup" | "Group") =>
    reviewPath((request) => {
      const home = request.object?.metadata.namespace;
      return checkGroup(request, { siblings: rows<AntreaGroup>(kind).filter(({ metadata }) => metadata.namespace === home) });
    });
  return {
    "/validate/tier": reviewPath((request) =>
      checkTier(request, {
        tiers: rows<Tier>("Tier"),
        isUsed: (tier) => policies().some((each) => tierOf(each) === tier),
        clusterNetworkPolicy: isOn("ClusterNetworkPolicy"),
        controller: `system:serviceaccount:${namespace}:antrea-controller`,
      }),
    ),
    "/validate/cnp": reviewPath(() => checkClusterNetworkPolicy(isOn("ClusterNetworkPolicy") ? rows<Tier>("Tier") : [])),
    "/validate/acnp": policy,
    "/validate/annp": policy,
    "/validate/clustergroup": group("ClusterGroup"),
    "/validate/group": group("Group"),
    "/mutate/acnp": complete,
    "/mutate/annp": complete,
  };
}

/** Lets everybody ask the paths of webhooks; of all else `authorizer` decides. */
export const openWebhooks = (authorizer: Authorizer): Authorizer => ({
  authorize: (attributes) =>
    attributes.verb === "post" && attributes.path !== undefined && webhookPaths.has(attributes.path)
      ? { allowed: true, reason: "webhook" }
      : authorizer.authorize(attributes),
});
