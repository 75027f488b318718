import type { AntreaGroup } from "#core/api/antrea/group.ts";
import type { AntreaPolicy } from "#core/api/antrea/policy.ts";
import type { Tier } from "#core/api/antrea/tier.ts";
import type { FeatureGate } from "#core/api/feature-gates.ts";
import type { Authorizer } from "#lib/apiserver/auth/authorizer.ts";
import type { PathExchange } from "#lib/apiserver/http/serve-path.ts";
import type { KubeClient, KubeObject } from "#lib/kube/index.ts";
import type { PolicySource } from "../policy-sources.ts";
import { completePolicy } from "./defaults.ts";
import { checkGroup } from "./groups.ts";
import { labelNamespace } from "./namespaces.ts";
import { lookAgain, presentObjects, tierOf } from "./look-again.ts";
import { checkPolicy } from "./policies.ts";
import { reviewPath } from "./review.ts";
import { checkClusterNetworkPolicy, checkTier, clusterNetworkPolicyIsOff } from "./tiers.ts";
import { webhookPaths } from "./webhooks.ts";

export interface AdmissionOptions {
  /** Asked before something is refused for what other objects are. */
  readonly client: KubeClient;
  readonly sources: readonly PolicySource[];
  readonly featureGates: readonly FeatureGate[];
  /** The namespace of the controller's ServiceAccount. */
  readonly namespace: string;
}

/** What the Kubernetes API asks before it writes objects of crd.antrea.io. */
export function admissionPaths({
  client,
  sources,
  featureGates,
  namespace,
}: AdmissionOptions): Readonly<Record<string, (exchange: PathExchange) => Promise<void>>> {
  const isOn = (name: string): boolean => featureGates.some((gate) => gate.name === name && gate.enabled);
  const labels = { "/mutate/namespace": reviewPath(labelNamespace) };
  if (!isOn("AntreaPolicy")) return labels;
  const rows = <Kind extends KubeObject>(kind: PolicySource["kind"]): readonly Kind[] =>
    sources.filter((source) => source.kind === kind).flatMap(({ table }) => [...table.rows()] as unknown as Kind[]);
  const policies = (): readonly AntreaPolicy[] => [
    ...rows<AntreaPolicy>("AntreaClusterNetworkPolicy"),
    ...rows<AntreaPolicy>("AntreaNetworkPolicy"),
  ];
  const present = presentObjects(client);
  const l7NetworkPolicy = isOn("L7NetworkPolicy");
  const clusterNetworkPolicy = isOn("ClusterNetworkPolicy");
  const controller = `system:serviceaccount:${namespace}:antrea-controller`;

  const policy = reviewPath((request) => {
    const tier = (request.object as AntreaPolicy).spec?.tier ?? "";
    return lookAgain(
      rows<Tier>("Tier").some(({ metadata }) => metadata.name === tier),
      () => present.tierExists(tier),
      (exists) => checkPolicy(request, { tierExists: exists, l7NetworkPolicy }),
    );
  });
  const tier = reviewPath((request) => {
    const name = request.oldObject?.metadata.name ?? "";
    const users = policies().filter((each) => tierOf(each) === name);
    return lookAgain(
      { tiers: rows<Tier>("Tier"), isUsed: users.length > 0 },
      async () => ({ tiers: await present.tiers(), isUsed: await present.isStillUsed(name, users) }),
      (objects) => checkTier(request, { ...objects, clusterNetworkPolicy, controller }),
    );
  });
  const complete = reviewPath(completePolicy);
  const group = (kind: "ClusterGroup" | "Group") =>
    reviewPath((request) => {
      const home = request.object?.metadata.namespace;
      return lookAgain(
        rows<AntreaGroup>(kind).filter(({ metadata }) => metadata.namespace === home),
        () => present.groups(kind, home),
        (siblings) => checkGroup(request, { siblings }),
      );
    });
  return {
    ...labels,
    "/validate/tier": tier,
    "/validate/cnp": reviewPath(() =>
      clusterNetworkPolicy ? lookAgain(rows<Tier>("Tier"), present.tiers, checkClusterNetworkPolicy) : clusterNetworkPolicyIsOff,
    ),
    "/validate/acnp": policy,
    "/validate/annp": policy,
    "/validate/clustergroup": group("ClusterGroup"),
    "/validate/group": group("Group"),
    "/mutate/acnp": complete,
    "/mutate/annp": complete,
    // As configurations written before v2.0 call it.
    "/mutate/anp": complete,
  };
}

/** Lets everybody ask the paths of webhooks; of all else `authorizer` decides. */
export const openWebhooks = (authorizer: Authorizer): Authorizer => ({
  authorize: (attributes) =>
    attributes.verb === "post" && attributes.path !== undefined && webhookPaths.has(attributes.path)
      ? { allowed: true, reason: "webhook" }
      : authorizer.authorize(attributes),
});
