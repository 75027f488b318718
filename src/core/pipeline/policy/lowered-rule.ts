import { hash } from "node:crypto";
import { baselineTierPriority, builtInTiers, defaultTier } from "#core/api/antrea/tier.ts";
import {
  type Direction,
  type IpBlock,
  type NetworkPolicy,
  nothing,
  type PolicyReference,
  type PolicyRule,
  type RuleAction,
  type ServiceMatch,
} from "#core/api/controlplane/index.ts";
import { parsePrefix } from "#lib/ip/index.ts";
import { errorMessage } from "#lib/runtime/errors.ts";
import { blocksKeyOf } from "./clauses.ts";
import type { LayerName } from "./layers.ts";

/** A policy's rule as this node compiles it. Its key follows from its content and its place: the same after any restart or reordering of others. */
export interface LoweredRule {
  readonly key: string;
  readonly policy: string;
  readonly layer: LayerName;
  /** Its place among the rules of its layer; without meaning for those of Kubernetes. */
  readonly order: RulePosition;
  readonly action: RuleAction;
  readonly direction: Direction;
  readonly appliedTo: readonly string[];
  readonly groups: readonly string[];
  readonly blocks: readonly IpBlock[];
  /** Equal for equal `blocks`. */
  readonly blocksKey: string;
  /** Services (`namespace/name`) whose connections the rule is about, whatever endpoint they come to. */
  readonly toServices: readonly string[];
  /** Empty = every protocol and port. */
  readonly services: readonly ServiceMatch[];
  /** Named ports of the subject itself (ingress): each pod resolves them by its own containers. */
  readonly ownNames: readonly ServiceMatch[];
  /** Named ports of the peers (egress): each peer resolves them by its own containers. */
  readonly peerNames: readonly ServiceMatch[];
  /** What the audit log calls it; absent: it is not logged. */
  readonly logged?: LoggedAs;
  /** What statistics call it. No part of its key, either. */
  readonly name?: string | undefined;
  /** Counted and logged when a packet meets it, which goes on as if it were not there. */
  readonly staged?: true;
  /** Of a Kubernetes policy: clients that it isolates from are told. */
  readonly refusing?: true;
  /** Part of a staged Kubernetes policy: it counts only where no other isolates the pod already. */
  readonly isolates?: true;
}

/** A rule by the names that its lines in the audit log have. They are no part of its key: who renames a rule changes no flow. */
export interface LoggedAs {
  readonly policy: PolicyReference;
  readonly rule?: string;
  readonly logLabel?: string;
}

/** What the node can do beside policies, as far as rules depend on it. */
export interface NodeAbilities {
  /** It forwards connections to Services itself (AntreaProxy): else nothing tells them from others. */
  readonly seesServices: boolean;
}

/** Lower is earlier. */
export interface RulePosition {
  readonly tier: number;
  readonly priority: number;
  readonly index: number;
}

/** A policy or rule that is not enforced as written, and why. */
export interface PolicyProblem {
  readonly policy: string;
  readonly reason: string;
}

export interface LoweredPolicy {
  /** Kind, namespace and name. */
  readonly name: string;
  readonly source: PolicyReference;
  /** The owners of pods are told what it denies. */
  readonly refusing?: true;
  readonly rules: readonly LoweredRule[];
  readonly problems: readonly PolicyProblem[];
}

/** The first that matches decides; where the order is open, what denies comes first. */
export function compareRules(one: LoweredRule, other: LoweredRule): number {
  return (
    one.order.tier - other.order.tier ||
    one.order.priority - other.order.priority ||
    one.order.index - other.order.index ||
    actionOrder[one.action] - actionOrder[other.action] ||
    (one.key < other.key ? -1 : one.key > other.key ? 1 : 0)
  );
}

const actionOrder: Readonly<Record<RuleAction, number>> = { Drop: 0, Reject: 1, Allow: 2, Pass: 3 };

/** Policies never change: another one takes their place. Agents of one process that are told the same object have the same rules. */
const loweredOf = new WeakMap<NetworkPolicy, { readonly seesServices: boolean; readonly lowered: LoweredPolicy }>();

/** As {@link lowerOrClose}, of each policy object once. */
export function lowerOnce(policy: NetworkPolicy, { seesServices }: NodeAbilities): LoweredPolicy {
  const known = loweredOf.get(policy);
  if (known?.seesServices === seesServices) return known.lowered;
  const lowered = lowerOrClose(policy, { seesServices });
  loweredOf.set(policy, { seesServices, lowered });
  return lowered;
}

/**
 * A policy that cannot be brought into that form is closed in the directions in which it has rules: one of Kubernetes isolates its pods and allows
 * nothing, any other drops everything at its place.
 */
function lowerOrClose(policy: NetworkPolicy, abilities: NodeAbilities): LoweredPolicy {
  try {
    return lowerPolicy(policy, abilities);
  } catch (error) {
    if (policy.staged)
      return { name: nameOf(policy), source: policy.sourceRef, rules: [], problems: [problemOf(policy, error, "it counts nothing")] };
    const appliedToGroups = policy.rules.flatMap((rule) => rule.appliedToGroups);
    const closing = layerOf(policy) === "kubernetes" ? closedRule : { ...closedRule, action: "Drop" as const, peer: everybody };
    const enableLogging = policy.rules.some((rule) => rule.enableLogging);
    const closed = (["In", "Out"] as const)
      .filter((direction) => policy.rules.some((rule) => rule.direction === direction))
      .map((direction) => lowerRule(policy, { ...closing, direction, appliedToGroups, enableLogging }, abilities));
    const name = nameOf(policy);
    return {
      name,
      source: policy.sourceRef,
      rules: closed,
      problems: [problemOf(policy, error, "what it allows stays closed")],
    };
  }
}

const problemOf = (policy: NetworkPolicy, error: unknown, effect: string): PolicyProblem => ({
  policy: policy.uid,
  reason: `${nameOf(policy)}: ${errorMessage(error)}; ${effect}`,
});

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

/** Names of a staged Kubernetes policy's rules in statistics, as its own have none. */
const wouldAllow = "would-allow";
const wouldDeny = "would-deny";

/** What a Kubernetes policy would deny: everything that it does not allow. */
const isolationOf = ({ rules, appliedToGroups }: NetworkPolicy, direction: Direction): PolicyRule => ({
  ...closedRule,
  direction,
  action: "Drop",
  priority: 1,
  peer: everybody,
  enableLogging: rules.some((rule) => rule.enableLogging),
  appliedToGroups: appliedToGroups.length > 0 ? [] : rules.flatMap((rule) => rule.appliedToGroups),
});

const everybody = { ...nothing, ipBlocks: (["0.0.0.0/0", "::/0"] as const).map((cidr) => ({ cidr: parsePrefix(cidr), except: [] })) };

const nameOf = ({ sourceRef: { type, namespace, name } }: NetworkPolicy): string => `${type} ${namespace ? `${namespace}/` : ""}${name}`;

const defaultPriority = builtInTiers.find(({ name }) => name === defaultTier)?.priority ?? 0;
/** Behind all tiers and before the baseline: where Kubernetes policies have their say. Nobody's tier may be there. */
const stagedKubernetesTier = 252;
const isKubernetes = ({ sourceRef }: NetworkPolicy): boolean => sourceRef.type === "K8sNetworkPolicy";
const tierOf = (policy: NetworkPolicy): number => (isKubernetes(policy) ? stagedKubernetesTier : (policy.tierPriority ?? defaultPriority));

/** A staged policy of Kubernetes is rules in order: what it allows, then what it would not let through. */
function layerOf(policy: NetworkPolicy): LayerName {
  if (isKubernetes(policy) && !policy.staged) return "kubernetes";
  return tierOf(policy) < baselineTierPriority ? "tiers" : "baseline";
}

/** Brings a controller's policy into the form that flows are made of. */
export function lowerPolicy(policy: NetworkPolicy, abilities: NodeAbilities): LoweredPolicy {
  const name = nameOf(policy);
  const layer = layerOf(policy);
  const problems: PolicyProblem[] = [];
  const rules = new Map<string, LoweredRule>();
  policy.rules.forEach((rule, index) => {
    const missing = [
      ...notCompiled(rule).map((what) => `${what} not enforced yet`),
      ...(rule.peer.toServices.length > 0 ? serviceProblems(layer, rule, abilities) : []),
      ...(layer === "kubernetes" && rule.action !== "Allow" ? [`action ${rule.action} is none of a Kubernetes policy`] : []),
    ];
    const effect = layer === "kubernetes" ? "what it allows stays closed" : "these match nothing";
    if (missing.length > 0) problems.push({ policy: policy.uid, reason: `${name}: rule ${index}: ${missing.join(", ")}; ${effect}` });
    const lowered = lowerRule(policy, rule, abilities);
    rules.set(lowered.key, lowered);
  });
  if (policy.staged && isKubernetes(policy))
    for (const direction of new Set(policy.rules.map((rule) => rule.direction))) {
      const isolation = lowerRule(policy, isolationOf(policy, direction), abilities);
      rules.set(isolation.key, { ...isolation, isolates: true });
    }
  return { name, source: policy.sourceRef, ...(policy.refusing && { refusing: true as const }), rules: [...rules.values()], problems };
}

function notCompiled({ peer, services, l7Protocols }: PolicyRule): string[] {
  return [
    ...(peer.fqdns.length > 0 ? ["fqdns are"] : []),
    ...(peer.labelIdentities.length > 0 ? ["labelIdentities are"] : []),
    ...(l7Protocols.length > 0 ? ["l7Protocols are"] : []),
    ...(services.some(({ protocol }) => protocol === "IGMP") ? ["services of protocol IGMP are"] : []),
  ];
}

function serviceProblems(layer: LayerName, { direction }: PolicyRule, { seesServices }: NodeAbilities): string[] {
  if (layer === "kubernetes" || direction === "In") return ["toServices are for egress rules of other policies than those of Kubernetes"];
  return seesServices ? [] : ["toServices need antreaProxy, which is off on this node"];
}

/** What cannot be compiled matches nothing: names without addresses, requests, IGMP, Services where they are not seen. */
function lowerRule(policy: NetworkPolicy, rule: PolicyRule, { seesServices }: NodeAbilities): LoweredRule {
  const layer = layerOf(policy);
  const possible = rule.services.filter(({ protocol }) => protocol !== "IGMP");
  const isInert =
    rule.l7Protocols.length > 0 ||
    (possible.length === 0 && rule.services.length > 0) ||
    (layer === "kubernetes" && (rule.action !== "Allow" || notCompiled(rule).length + rule.peer.toServices.length > 0));
  const appliedTo = [...new Set(policy.appliedToGroups.length > 0 ? policy.appliedToGroups : rule.appliedToGroups)].sort();
  const groups = isInert ? [] : [...new Set(rule.peer.addressGroups)].sort();
  const blocks = isInert ? [] : rule.peer.ipBlocks;
  const serviceNames = rule.peer.toServices.map(({ namespace = "", name }) => `${namespace}/${name}`);
  const toServices = isInert || rule.direction === "In" || !seesServices ? [] : [...new Set(serviceNames)].sort();
  const named = possible.filter(({ port }) => typeof port === "string");
  const blocksKey = blocksKeyOf(blocks);
  const order: RulePosition =
    layer === "kubernetes"
      ? { tier: 0, priority: 0, index: 0 }
      : { tier: tierOf(policy), priority: policy.priority ?? 0, index: rule.priority };
  const place = layer === "kubernetes" ? [] : [rule.action, order.tier, order.priority, order.index];
  // With and without logging are two rules, as their flows differ.
  const logging = rule.enableLogging ? ["logged"] : [];
  const staging = policy.staged ? ["staged"] : [];
  const refusing = layer === "kubernetes" && policy.refusing ? ["refusing"] : [];
  const through = toServices.length > 0 ? [{ toServices }] : [];
  const content = JSON.stringify([
    policy.uid,
    rule.direction,
    appliedTo,
    groups,
    blocksKey,
    rule.services,
    ...place,
    ...logging,
    ...staging,
    ...refusing,
    ...through,
  ]);
  return {
    key: `${policy.uid}/${hash("sha1", content, "hex")}`,
    policy: policy.uid,
    layer,
    order,
    action: layer === "kubernetes" ? "Allow" : rule.action,
    direction: rule.direction,
    appliedTo,
    groups,
    blocks,
    blocksKey,
    toServices,
    services: possible.filter(({ port }) => typeof port !== "string"),
    ownNames: rule.direction === "In" ? named : [],
    peerNames: rule.direction === "Out" ? named : [],
    ...(rule.enableLogging ? { logged: loggedAs(policy, rule) } : {}),
    name: policy.staged && isKubernetes(policy) ? (rule.action === "Allow" ? wouldAllow : wouldDeny) : rule.name,
    ...(policy.staged && { staged: true as const }),
    ...(refusing.length > 0 && { refusing: true as const }),
  };
}

const loggedAs = ({ sourceRef }: NetworkPolicy, { name, logLabel }: PolicyRule): LoggedAs => ({
  policy: sourceRef,
  ...(name !== undefined && { rule: name }),
  ...(logLabel !== undefined && { logLabel }),
});
