import type { KubeObject } from "#lib/kube/index.ts";
import type { ClusterNetworkPolicy, ClusterPolicyPeer } from "./cluster-network-policy.ts";

/** Exactly one member each. */
export interface AdminPolicyPort {
  readonly portNumber?: { readonly protocol?: string; readonly port: number };
  readonly portRange?: { readonly protocol?: string; readonly start: number; readonly end: number };
  readonly namedPort?: string;
}

export interface AdminPolicyRule {
  readonly name?: string;
  readonly action?: string;
  readonly from?: readonly ClusterPolicyPeer[];
  readonly to?: readonly ClusterPolicyPeer[];
  readonly ports?: readonly AdminPolicyPort[];
}

/** An AdminNetworkPolicy or the BaselineAdminNetworkPolicy of policy.networking.k8s.io/v1alpha1: the second has no priority. */
export interface AdminNetworkPolicy extends KubeObject {
  readonly spec?: {
    readonly priority?: number;
    readonly subject?: NonNullable<ClusterNetworkPolicy["spec"]>["subject"];
    readonly ingress?: readonly AdminPolicyRule[];
    readonly egress?: readonly AdminPolicyRule[];
  };
}
