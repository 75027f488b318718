import type { KindDefinition } from "./definition.ts";
import { conditions, fields, ipBlock, labelSelector, list, namespacedName, type Schema, text } from "./schema.ts";

const spec = (isCluster: boolean): Schema =>
  fields({
    podSelector: labelSelector,
    namespaceSelector: labelSelector,
    externalEntitySelector: labelSelector,
    ...(isCluster && { nodeSelector: labelSelector }),
    ipBlocks: list(ipBlock),
    serviceReference: namespacedName([]),
    childGroups: list(text()),
  });

const status = fields({ conditions });

export const clusterGroupDefinition: KindDefinition = {
  kind: "ClusterGroup",
  plural: "clustergroups",
  shortNames: ["cg"],
  namespaced: false,
  version: "v1beta1",
  spec: spec(true),
  status,
};

export const groupDefinition: KindDefinition = {
  kind: "Group",
  plural: "groups",
  shortNames: ["grp"],
  namespaced: true,
  version: "v1beta1",
  spec: spec(false),
  status,
};
