import type { IpAddress, Prefix } from "#lib/ip/index.ts";

/** Seen from the pod the rule applies to. */
export type Direction = "In" | "Out";
export type RuleAction = "Allow" | "Drop" | "Reject" | "Pass";
export type Protocol = "TCP" | "UDP" | "SCTP" | "ICMP" | "IGMP";

export const policyTypes = [
  "K8sNetworkPolicy",
  "AntreaClusterNetworkPolicy",
  "AntreaNetworkPolicy",
  "AdminNetworkPolicy",
  "BaselineAdminNetworkPolicy",
  "K8sClusterNetworkPolicy",
] as const;
export type PolicyType = (typeof policyTypes)[number];

/** The object a computed policy was made from. */
export interface PolicyReference {
  readonly type: PolicyType;
  /** Absent for cluster-scoped kinds. */
  readonly namespace?: string;
  readonly name: string;
  readonly uid: string;
}

/** A policy as the controller computed it: selectors became names of groups. Every policy kind is lowered to this one form. */
export interface NetworkPolicy {
  /** The UID of the source object; unique over all kinds. */
  readonly name: string;
  readonly uid: string;
  readonly generation: number;
  readonly sourceRef: PolicyReference;
  /** Groups of the pods this policy applies to; empty when its rules name their own. */
  readonly appliedToGroups: readonly string[];
  /** Lower is earlier. Both absent for Kubernetes policies, which form their own layer. */
  readonly tierPriority?: number;
  readonly priority?: number;
  readonly rules: readonly PolicyRule[];
  /** Compiled, counted and logged as what it would do, and not enforced. */
  readonly staged?: true;
  /** Its namespace asks that clients be told of what it denies: of a Kubernetes policy also what it isolates from. */
  readonly refusing?: true;
}

/**
 * One rule. A Kubernetes policy isolates its pods in exactly the directions in which it has a rule; one that only isolates carries a rule with
 * {@link nothing} as peer.
 */
export interface PolicyRule {
  readonly direction: Direction;
  /** The other side: sources of an ingress rule, destinations of an egress rule. */
  readonly peer: PolicyPeer;
  /** Union of what may be matched; empty = every protocol and port. */
  readonly services: readonly ServiceMatch[];
  /** Position in its policy and direction; −1 for Kubernetes policies. */
  readonly priority: number;
  readonly action: RuleAction;
  readonly enableLogging: boolean;
  /** Set only when the policy's own list is empty. */
  readonly appliedToGroups: readonly string[];
  readonly name?: string;
  readonly logLabel?: string;
  /** Requests to inspect, passed on as they are; empty = none. */
  readonly l7Protocols: readonly unknown[];
}

/** Union of all its lists. All empty = matches nothing. "Anybody" is the two blocks 0.0.0.0/0 and ::/0. */
export interface PolicyPeer {
  readonly addressGroups: readonly string[];
  readonly ipBlocks: readonly IpBlock[];
  readonly fqdns: readonly string[];
  readonly toServices: readonly NamespacedName[];
  readonly labelIdentities: readonly number[];
}

export const nothing: PolicyPeer = Object.freeze({ addressGroups: [], ipBlocks: [], fqdns: [], toServices: [], labelIdentities: [] });

/** The addresses of `cidr` that are in none of `except`. */
export interface IpBlock {
  readonly cidr: Prefix;
  readonly except: readonly Prefix[];
}

/** Layer-4 part of a rule. Absent fields match everything. */
export interface ServiceMatch {
  /** Always set by the controller; absent on the wire means TCP. */
  readonly protocol: Protocol;
  /** Destination port of the pod, or the name under which the destination pod declares it for this protocol. */
  readonly port?: number | string;
  /** Inclusive end of a range that begins at a numeric `port`. */
  readonly endPort?: number;
  readonly srcPort?: number;
  readonly srcEndPort?: number;
  readonly icmpType?: number;
  readonly icmpCode?: number;
  readonly igmpType?: number;
  readonly groupAddress?: string;
}

export interface NamespacedName {
  readonly namespace: string;
  readonly name: string;
}

/** A port that a container declares under a name. */
export interface NamedPort {
  readonly name: string;
  readonly port: number;
  readonly protocol: Protocol;
}

/** One pod, external entity, node or service in a group. Members of applied-to groups carry no addresses. */
export interface GroupMember {
  readonly pod?: NamespacedName;
  readonly externalEntity?: NamespacedName;
  readonly node?: string;
  readonly service?: NamespacedName;
  readonly ips: readonly IpAddress[];
  readonly ports: readonly NamedPort[];
}

/** An address group (peers) or an applied-to group (subjects): which of the two says the resource it came from. */
export interface Group {
  /** UUIDv5 of the normalised selector, or the name of a user's own group. */
  readonly name: string;
  readonly uid: string;
  readonly members: readonly GroupMember[];
}

/** What changed in a group. A member is its whole content: a pod that got another address is one removed and one added. */
export interface GroupPatch {
  readonly name: string;
  readonly uid: string;
  readonly added: readonly GroupMember[];
  readonly removed: readonly GroupMember[];
}

/** How far a controller has computed: the highest resourceVersion of each input whose effect is in the events before this mark. */
export interface ComputedRevisions {
  /** Which API server history the numbers belong to: compare only when equal. */
  readonly cluster: string;
  readonly pods: string;
  readonly namespaces: string;
  readonly networkpolicies: string;
  /** The same of every other input, by kind. */
  readonly others?: Readonly<Record<string, string>>;
  /**
   * By input, the resourceVersion of the newest change that is contained. What was reached rises while an input is quiet, this does not: it says who
   * knows more. Absent from controllers that do not tell.
   */
  readonly changed?: Readonly<Record<string, string>>;
  /** Since when the controller does not hear the Kubernetes API (RFC 3339); absent while it does. */
  readonly cutOffSince?: string;
}
