import type { Resource } from "#lib/kube/index.ts";
import type { AdminNetworkPolicy } from "../upstream/admin-network-policy.ts";
import type { ClusterNetworkPolicy } from "../upstream/cluster-network-policy.ts";
import type { ExternalEntity, ExternalNode } from "./external-entity.ts";
import type { AntreaGroup } from "./group.ts";
import type { AntreaPolicy } from "./policy.ts";
import type { Tier } from "./tier.ts";

export const antreaGroupName = "crd.antrea.io";
const antrea = { group: antreaGroupName, version: "v1beta1" } as const;
export const upstreamGroupName = "policy.networking.k8s.io";
const upstream = { group: upstreamGroupName } as const;

/** Where the kinds live that Antrea's policies are made of. */
export const tiers: Resource<Tier> = { ...antrea, plural: "tiers", kind: "Tier", namespaced: false };
export const clusterGroups: Resource<AntreaGroup> = { ...antrea, plural: "clustergroups", kind: "ClusterGroup", namespaced: false };
export const groups: Resource<AntreaGroup> = { ...antrea, plural: "groups", kind: "Group", namespaced: true };
export const antreaClusterNetworkPolicies: Resource<AntreaPolicy> = {
  ...antrea,
  plural: "clusternetworkpolicies",
  kind: "ClusterNetworkPolicy",
  namespaced: false,
};
export const antreaNetworkPolicies: Resource<AntreaPolicy> = {
  ...antrea,
  plural: "networkpolicies",
  kind: "NetworkPolicy",
  namespaced: true,
};
export const externalEntities: Resource<ExternalEntity> = {
  group: antreaGroupName,
  version: "v1alpha2",
  plural: "externalentities",
  kind: "ExternalEntity",
  namespaced: true,
};
export const externalNodes: Resource<ExternalNode> = {
  group: antreaGroupName,
  version: "v1alpha1",
  plural: "externalnodes",
  kind: "ExternalNode",
  namespaced: true,
};
export const upstreamClusterNetworkPolicies: Resource<ClusterNetworkPolicy> = {
  ...upstream,
  version: "v1alpha2",
  plural: "clusternetworkpolicies",
  kind: "ClusterNetworkPolicy",
  namespaced: false,
};
export const adminNetworkPolicies: Resource<AdminNetworkPolicy> = {
  ...upstream,
  version: "v1alpha1",
  plural: "adminnetworkpolicies",
  kind: "AdminNetworkPolicy",
  namespaced: false,
};
export const baselineAdminNetworkPolicies: Resource<AdminNetworkPolicy> = {
  ...upstream,
  version: "v1alpha1",
  plural: "baselineadminnetworkpolicies",
  kind: "BaselineAdminNetworkPolicy",
  namespaced: false,
};
