import type { KubeObject, LabelSelector } from "#lib/kube/index.ts";

/** An object by name, in a namespace that a namespaced kind may leave out. */
export interface NamespacedReference {
  readonly name: string;
  readonly namespace?: string;
}

/** Whom a policy or a rule is for. Kinds are alternatives but for podSelector with namespaceSelector. */
export interface AppliedTo {
  readonly podSelector?: LabelSelector;
  readonly namespaceSelector?: LabelSelector;
  readonly externalEntitySelector?: LabelSelector;
  readonly nodeSelector?: LabelSelector;
  /** A ClusterGroup, or a Group of the policy's namespace. */
  readonly group?: string;
  readonly serviceAccount?: NamespacedReference;
  /** A NodePort Service: what enters the cluster by its node port. */
  readonly service?: NamespacedReference;
}

/** The other end of a rule. */
export interface AntreaPeer {
  readonly ipBlock?: { readonly cidr: string; readonly except?: readonly string[] };
  readonly podSelector?: LabelSelector;
  readonly namespaceSelector?: LabelSelector;
  /** Namespaces as seen from the subject's. */
  readonly namespaces?: { readonly match?: string; readonly sameLabels?: readonly string[] };
  readonly externalEntitySelector?: LabelSelector;
  readonly nodeSelector?: LabelSelector;
  readonly group?: string;
  readonly fqdn?: string;
  readonly serviceAccount?: NamespacedReference;
  readonly scope?: string;
}

export interface AntreaPort {
  readonly protocol?: string;
  readonly port?: number | string;
  readonly endPort?: number;
  readonly sourcePort?: number;
  readonly sourceEndPort?: number;
}

export interface AntreaProtocol {
  readonly icmp?: { readonly icmpType?: number; readonly icmpCode?: number };
  readonly igmp?: { readonly igmpType?: number; readonly groupAddress?: string };
}

export interface AntreaRule {
  readonly action?: string;
  readonly name?: string;
  readonly from?: readonly AntreaPeer[];
  readonly to?: readonly AntreaPeer[];
  readonly toServices?: readonly (NamespacedReference & { readonly scope?: string })[];
  readonly ports?: readonly AntreaPort[];
  readonly protocols?: readonly AntreaProtocol[];
  readonly l7Protocols?: readonly unknown[];
  readonly appliedTo?: readonly AppliedTo[];
  readonly enableLogging?: boolean;
  readonly logLabel?: string;
}

/** A ClusterNetworkPolicy or NetworkPolicy of crd.antrea.io/v1beta1: the second has a namespace. */
export interface AntreaPolicy extends KubeObject {
  readonly spec?: {
    /** Empty: application. */
    readonly tier?: string;
    /** 1.0 to 10 000.0, lower is earlier. */
    readonly priority: number;
    readonly appliedTo?: readonly AppliedTo[];
    readonly ingress?: readonly AntreaRule[];
    readonly egress?: readonly AntreaRule[];
  };
  readonly status?: unknown;
}
