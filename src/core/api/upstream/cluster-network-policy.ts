import type { KubeObject, LabelSelector } from "#lib/kube/index.ts";

/** Pods by their labels, in namespaces by theirs. */
export interface NamespacedPods {
  readonly namespaceSelector: LabelSelector;
  readonly podSelector: LabelSelector;
}

/** Exactly one member each. A member of a newer API is none that we know. */
export interface ClusterPolicyPeer {
  readonly namespaces?: LabelSelector;
  readonly pods?: NamespacedPods;
  readonly networks?: readonly string[];
  readonly nodes?: LabelSelector;
  readonly domainNames?: readonly string[];
}

export interface DestinationPort {
  readonly number?: number;
  readonly range?: { readonly start: number; readonly end: number };
}

/** Exactly one member each. */
export interface ClusterPolicyProtocol {
  readonly tcp?: { readonly destinationPort?: DestinationPort };
  readonly udp?: { readonly destinationPort?: DestinationPort };
  readonly sctp?: { readonly destinationPort?: DestinationPort };
  /** Of whatever protocol the destination declares it for. */
  readonly destinationNamedPort?: string;
}

export interface ClusterPolicyRule {
  readonly name?: string;
  readonly action?: string;
  readonly from?: readonly ClusterPolicyPeer[];
  readonly to?: readonly ClusterPolicyPeer[];
  readonly protocols?: readonly ClusterPolicyProtocol[];
}

/** A ClusterNetworkPolicy of policy.networking.k8s.io/v1alpha2, experimental fields included. */
export interface ClusterNetworkPolicy extends KubeObject {
  readonly spec?: {
    readonly tier?: string;
    /** 0 to 1 000, lower is earlier. */
    readonly priority?: number;
    readonly subject?: { readonly namespaces?: LabelSelector; readonly pods?: NamespacedPods };
    readonly ingress?: readonly ClusterPolicyRule[];
    readonly egress?: readonly ClusterPolicyRule[];
  };
}
