import { hash } from "node:crypto";
import {
  type Direction,
  type IpBlock,
  type NetworkPolicy,
  nothing,
  type PolicyRule,
  type PolicyType,
  type ServiceMatch,
} from "#core/api/controlplane/index.ts";
import { errorMessage } from "#lib/runtime/errors.ts";
import { blocksKeyOf } from "./clauses.ts";

/** A rule of a Kubernetes policy as this node compiles it. Its key follows from its content: the same after any restart or reordering. */
export interface LoweredRule {
  readonly key: string;
  readonly policy: string;
  readonly direction: Direction;
  readonly appliedTo: readonly string[];
  readonly groups: readonly string[];
  readonly blocks: readonly IpBlock[];
  /** Equal for equal `blocks`. */
  readonly blocksKey: string;
  /** Empty = every protocol and port. */
  readonly services: readonly ServiceMatch[];
  /** Named ports of the subject itself (ingress): each pod resolves them by its own containers. */
  readonly ownNames: readonly ServiceMatch[];
  /** Named ports of the peers (egress): each peer resolves them by its own containers. */
  readonly peerNames: readonly ServiceMatch[];
}

/** A policy or rule that is not enforced as written, and why. What it would have allowed stays closed. */
export interface PolicyProblem {
  readonly policy: string;
  readonly reason: string;
}

export interface LoweredPolicy {
  /** Kind, namespace and name. */
  readonly name: string;
  readonly rules: readonly LoweredRule[];
  readonly problems: readonly PolicyProblem[];
}

const compiledTypes: readonly PolicyType[] = ["K8sNetworkPolicy"];
const compiledProtocols = ["TCP", "UDP", "SCTP"];

/** A policy that cannot be brought into that form isolates its pods in the directions in which it has rules, and allows nothing. */
export function lowerOrClose(policy: NetworkPolicy): LoweredPolicy {
  try {
    return lowerPolicy(policy);
  } catch (error) {
    const closed = (["In", "Out"] as const)
      .filter((direction) => policy.rules.some((rule) => rule.direction === direction))
      .map((direction) =>
        lowerRule(policy, { ...closedRule, direction, appliedToGroups: policy.rules.flatMap((rule) => rule.appliedToGroups) }),
      );
    const name = nameOf(policy);
    return {
      name,
      rules: closed,
      problems: [{ policy: policy.uid, reason: `${name}: ${errorMessage(error)}; what it allows stays closed` }],
    };
  }
}

const closedRule: PolicyRule = {
  direction: "In",
  peer: nothing,
  services: [],
  priority: -1,
  action: "Allow",
  enableLogging: false,
  appliedToGroups: [],
  l7Protocols: [],
};

const nameOf = ({ sourceRef: { type, namespace, name } }: NetworkPolicy): string => `${type} ${namespace ? `${namespace}/` : ""}${name}`;

/** Brings a controller's policy into the form that flows are made of. */
export function lowerPolicy(policy: NetworkPolicy): LoweredPolicy {
  const name = nameOf(policy);
  if (!compiledTypes.includes(policy.sourceRef.type))
    return { name, rules: [], problems: [{ policy: policy.uid, reason: `${name}: policies of this kind are not enforced yet` }] };
  const problems: PolicyProblem[] = [];
  const rules = new Map<string, LoweredRule>();
  policy.rules.forEach((rule, index) => {
    const missing = notCompiled(rule);
    if (missing !== undefined)
      problems.push({ policy: policy.uid, reason: `${name}: rule ${index}: ${missing} not enforced yet; what it allows stays closed` });
    const lowered = lowerRule(policy, rule);
    rules.set(lowered.key, lowered);
  });
  return { name, rules: [...rules.values()], problems };
}

function notCompiled({ action, peer, services, l7Protocols }: PolicyRule): string | undefined {
  if (action !== "Allow") return `action ${action} is`;
  if (peer.fqdns.length > 0) return "fqdns are";
  if (peer.toServices.length > 0) return "toServices are";
  if (peer.labelIdentities.length > 0) return "labelIdentities are";
  if (l7Protocols.length > 0) return "l7Protocols are";
  const unknown = services.find(
    ({ protocol, srcPort, srcEndPort }) => !compiledProtocols.includes(protocol) || srcPort !== undefined || srcEndPort !== undefined,
  );
  return unknown === undefined ? undefined : `services of protocol ${unknown.protocol} or with source ports are`;
}

/** A rule that cannot be compiled keeps its isolation and allows nothing. */
function lowerRule(policy: NetworkPolicy, rule: PolicyRule): LoweredRule {
  const inert = notCompiled(rule) !== undefined;
  const appliedTo = [...new Set(policy.appliedToGroups.length > 0 ? policy.appliedToGroups : rule.appliedToGroups)].sort();
  const groups = inert ? [] : [...new Set(rule.peer.addressGroups)].sort();
  const blocks = inert ? [] : rule.peer.ipBlocks;
  const named = rule.services.filter(({ port }) => typeof port === "string");
  const services = rule.services.filter(({ port }) => typeof port !== "string");
  const blocksKey = blocksKeyOf(blocks);
  const content = JSON.stringify([policy.uid, rule.direction, appliedTo, groups, blocksKey, rule.services]);
  return {
    key: `${policy.uid}/${hash("sha1", content, "hex")}`,
    policy: policy.uid,
    direction: rule.direction,
    appliedTo,
    groups,
    blocks,
    blocksKey,
    services,
    ownNames: rule.direction === "In" ? named : [],
    peerNames: rule.direction === "Out" ? named : [],
  };
}
