import type { Direction, NamedPort, NamespacedName, PolicyReference, RuleAction, ServiceMatch } from "./types.ts";

/** The JSON forms of controlplane.antrea.io/v1beta2, as both implementations send them. Absent = Go's zero value. */
export interface WireMetadata {
  readonly name: string;
  readonly uid?: string;
  readonly generation?: number;
  readonly annotations?: Readonly<Record<string, string>>;
}

export interface WireNetworkPolicy {
  readonly kind: "NetworkPolicy";
  readonly apiVersion: string;
  readonly metadata: WireMetadata;
  readonly rules?: readonly WireRule[];
  readonly appliedToGroups?: readonly string[];
  readonly priority?: number;
  readonly tierPriority?: number;
  readonly sourceRef?: PolicyReference;
}

export interface WireRule {
  readonly direction: Direction;
  readonly from: WirePeer;
  readonly to: WirePeer;
  readonly services?: readonly WireService[];
  readonly priority?: number;
  readonly action?: RuleAction;
  readonly enableLogging: boolean;
  readonly appliedToGroups?: readonly string[];
  readonly name?: string;
  readonly logLabel?: string;
  readonly l7Protocols?: readonly unknown[];
}

export interface WirePeer {
  readonly addressGroups?: readonly string[];
  readonly ipBlocks?: readonly { readonly cidr: WireIpNet; readonly except?: readonly WireIpNet[] }[];
  readonly fqdns?: readonly string[];
  readonly toServices?: readonly NamespacedName[];
  readonly labelIdentities?: readonly number[];
}

/** `ip` is base64 of 4 or 16 bytes; Go also sends IPv4 in 16 bytes (::ffff:a.b.c.d). */
export interface WireIpNet {
  readonly ip: string;
  readonly prefixLength?: number;
}

export type WireService = Omit<ServiceMatch, "protocol"> & { readonly protocol?: ServiceMatch["protocol"] };

export interface WireGroupMember {
  readonly pod?: NamespacedName;
  readonly externalEntity?: NamespacedName;
  readonly node?: { readonly name: string };
  readonly service?: NamespacedName;
  readonly ips?: readonly string[];
  readonly ports?: readonly NamedPort[];
}

export interface WireGroup {
  readonly kind: "AddressGroup" | "AppliedToGroup";
  readonly apiVersion: string;
  readonly metadata: WireMetadata;
  readonly groupMembers?: readonly WireGroupMember[];
}

export interface WireGroupPatch {
  readonly kind: "AddressGroupPatch" | "AppliedToGroupPatch";
  readonly apiVersion: string;
  readonly metadata: WireMetadata;
  readonly addedGroupMembers?: readonly WireGroupMember[];
  readonly removedGroupMembers?: readonly WireGroupMember[];
}
