import { customResourceDefinition } from "./definition.ts";
import { externalEntityDefinition, externalNodeDefinition } from "./external.ts";
import { clusterGroupDefinition, groupDefinition } from "./groups.ts";
import { clusterNetworkPolicyDefinition, networkPolicyDefinition } from "./policies.ts";
import { tierDefinition } from "./tier.ts";

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
