import type { Direction } from "#core/api/controlplane/index.ts";
import type { IpAddress, Prefix } from "#lib/ip/index.ts";
import type { Match } from "#lib/openflow/match.ts";
import { ipDestination, ipSource, prefixMatch } from "../flow-builder.ts";
import type { RegisterName } from "../registers.ts";
import type { TableName } from "../tables.ts";

/** What one direction of policy has of its own: tables, and which end of a packet is the peer. */
export interface PolicySide {
  readonly direction: Direction;
  readonly classifier: TableName;
  readonly members: TableName;
  readonly prefixes: TableName;
  readonly rule: TableName;
  readonly defaultRule: TableName;
  /** Where an admitted packet goes. */
  readonly admitted: TableName;
  readonly ruleRegister: RegisterName;
  readonly peerAddress: (address: IpAddress) => Match;
  readonly peerPrefix: (prefix: Prefix) => Match;
}

export const policySides: Readonly<Record<Direction, PolicySide>> = {
  Out: {
    direction: "Out",
    classifier: "EgressSecurityClassifier",
    members: "EgressMembers",
    prefixes: "EgressPrefixes",
    rule: "EgressRule",
    defaultRule: "EgressDefaultRule",
    admitted: "EgressMetric",
    ruleRegister: "egressRule",
    peerAddress: ipDestination,
    peerPrefix: (prefix) => prefixMatch("destination", prefix),
  },
  In: {
    direction: "In",
    classifier: "IngressSecurityClassifier",
    members: "IngressMembers",
    prefixes: "IngressPrefixes",
    rule: "IngressRule",
    defaultRule: "IngressDefaultRule",
    admitted: "IngressMetric",
    ruleRegister: "ingressRule",
    peerAddress: ipSource,
    peerPrefix: (prefix) => prefixMatch("source", prefix),
  },
};
