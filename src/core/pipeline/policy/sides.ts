import type { Direction } from "#core/api/controlplane/index.ts";
import type { Family, Prefix } from "#lib/ip/index.ts";
import type { FieldName } from "#lib/openflow/fields.ts";
import type { Match } from "#lib/openflow/match.ts";
import { prefixMatch } from "../flow-builder.ts";
import type { RegisterName } from "../registers.ts";
import type { TableName } from "../tables.ts";

/** What one direction of policy has of its own: tables, and which end of a packet is the peer. */
export interface PolicySide {
  readonly direction: Direction;
  readonly classifier: TableName;
  readonly members: TableName;
  readonly prefixes: TableName;
  /** Rules of tiers, which come first. */
  readonly tierRule: TableName;
  readonly rule: TableName;
  readonly defaultRule: TableName;
  /** Where an admitted packet goes. */
  readonly admitted: TableName;
  /** Where packets of known connections are counted by the rule of this direction that admitted them. */
  readonly metric: TableName;
  readonly ruleRegister: RegisterName;
  /** Where is written that a staged rule has told what it would do. */
  readonly stagedRegister: RegisterName;
  /** The field of a packet that has the peer's address. */
  readonly peerField: Readonly<Record<Family, FieldName>>;
  readonly peerPrefix: (prefix: Prefix) => Match;
}

export const policySides: Readonly<Record<Direction, PolicySide>> = {
  Out: {
    direction: "Out",
    classifier: "EgressSecurityClassifier",
    members: "EgressMembers",
    prefixes: "EgressPrefixes",
    tierRule: "AntreaPolicyEgressRule",
    rule: "EgressRule",
    defaultRule: "EgressDefaultRule",
    admitted: "L3Forwarding",
    metric: "EgressMetric",
    ruleRegister: "egressRule",
    stagedRegister: "stagedOut",
    peerField: { 4: "ip_dst", 6: "ipv6_dst" },
    peerPrefix: (prefix) => prefixMatch("destination", prefix),
  },
  In: {
    direction: "In",
    classifier: "IngressSecurityClassifier",
    members: "IngressMembers",
    prefixes: "IngressPrefixes",
    tierRule: "AntreaPolicyIngressRule",
    rule: "IngressRule",
    defaultRule: "IngressDefaultRule",
    admitted: "ConntrackCommit",
    metric: "IngressMetric",
    ruleRegister: "ingressRule",
    stagedRegister: "stagedIn",
    peerField: { 4: "ip_src", 6: "ipv6_src" },
    peerPrefix: (prefix) => prefixMatch("source", prefix),
  },
};

/** The tables that hold nothing but what policies say. */
export const policyTables: readonly TableName[] = Object.values(policySides).flatMap(
  ({ classifier, members, prefixes, tierRule, rule, defaultRule }) => [classifier, members, prefixes, tierRule, rule, defaultRule],
);
