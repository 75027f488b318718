import {
  adminNetworkPolicies,
  antreaClusterNetworkPolicies,
  antreaNetworkPolicies,
  baselineAdminNetworkPolicies,
  clusterGroups,
  externalEntities,
  groups,
  tiers,
  upstreamClusterNetworkPolicies,
} from "#core/api/antrea/resources.ts";
import type { FeatureGate } from "#core/api/feature-gates.ts";
import type { PolicyObjectKind } from "#core/policy/index.ts";
import { type KubeClient, type KubeObject, nodes, type Reflection, type Resource, reflect, services } from "#lib/kube/index.ts";
import type { Runtime } from "#lib/runtime/index.ts";

/** A collection of the API that policies depend on beside Namespaces, Pods and NetworkPolicies. */
export interface PolicySource {
  readonly kind: PolicyObjectKind;
  readonly table: Reflection<KubeObject>;
}

/** Kinds by the gate that lets them count. Those that are installed with Antrea or apart from Kubernetes may not be there yet: they are waited for. */
const gated: readonly (readonly [gate: string, kinds: readonly (readonly [PolicyObjectKind, Resource<KubeObject>])[]])[] = [
  [
    "AntreaPolicy",
    [
      ["Tier", tiers],
      ["ClusterGroup", clusterGroups],
      ["Group", groups],
      ["AntreaClusterNetworkPolicy", antreaClusterNetworkPolicies],
      ["AntreaNetworkPolicy", antreaNetworkPolicies],
      ["ExternalEntity", externalEntities],
    ],
  ],
  ["ClusterNetworkPolicy", [["K8sClusterNetworkPolicy", upstreamClusterNetworkPolicies]]],
  [
    "AdminNetworkPolicy",
    [
      ["AdminNetworkPolicy", adminNetworkPolicies],
      ["BaselineAdminNetworkPolicy", baselineAdminNetworkPolicies],
    ],
  ],
];

/** Follows every kind that the gates let count. */
export function followPolicySources(options: {
  readonly runtime: Runtime;
  readonly client: KubeClient;
  readonly signal: AbortSignal;
  readonly featureGates: readonly FeatureGate[];
}): readonly PolicySource[] {
  const { featureGates, ...source } = options;
  const isOn = (name: string): boolean => featureGates.some((gate) => gate.name === name && gate.enabled);
  if (!isOn("AntreaPolicy")) return [];
  return [
    { kind: "Node" as const, table: reflect<KubeObject>({ ...source, resource: nodes }) },
    { kind: "Service" as const, table: reflect<KubeObject>({ ...source, resource: services }) },
    ...gated
      .filter(([gate]) => isOn(gate))
      .flatMap(([, kinds]) => kinds)
      .map(([kind, resource]) => ({ kind, table: reflect<KubeObject>({ ...source, resource, mayBeAbsent: true }) })),
  ];
}
