import type { Condition, KubeObject, LabelSelector } from "#lib/kube/index.ts";
import type { NamespacedReference } from "./policy.ts";

/** A ClusterGroup or Group of crd.antrea.io/v1beta1: the second has a namespace. */
export interface AntreaGroup extends KubeObject {
  readonly spec?: {
    readonly podSelector?: LabelSelector;
    readonly namespaceSelector?: LabelSelector;
    readonly externalEntitySelector?: LabelSelector;
    readonly nodeSelector?: LabelSelector;
    readonly ipBlocks?: readonly { readonly cidr: string; readonly except?: readonly string[] }[];
    readonly serviceReference?: NamespacedReference;
    readonly childGroups?: readonly string[];
  };
  readonly status?: { readonly conditions?: readonly Condition[] };
}
