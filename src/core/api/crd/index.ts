import { customResourceDefinition } from "./definition.ts";
import { externalEntityDefinition, externalNodeDefinition } from "./external.ts";
import { clusterGroupDefinition, groupDefinition } from "./groups.ts";
import { clusterNetworkPolicyDefinition, networkPolicyDefinition } from "./policies.ts";
import { tierDefinition } from "./tier.ts";
import { adminNetworkPolicyDefinition, baselineAdminNetworkPolicyDefinition, upstreamClusterNetworkPolicyDefinition } from "./upstream.ts";

/** Every kind of crd.antrea.io that there is here, in the order in which they are applied. */
export const kindDefinitions = [
  tierDefinition,
  clusterGroupDefinition,
  groupDefinition,
  externalNodeDefinition,
  externalEntityDefinition,
  clusterNetworkPolicyDefinition,
  networkPolicyDefinition,
] as const;

export const customResourceDefinitions = kindDefinitions.map(customResourceDefinition);

/** The kinds of policy.networking.k8s.io: they are not Antrea's, and a cluster may have them from elsewhere. */
export const upstreamDefinitions = [
  upstreamClusterNetworkPolicyDefinition,
  adminNetworkPolicyDefinition,
  baselineAdminNetworkPolicyDefinition,
].map(customResourceDefinition);
