import type { NetworkPolicy, PolicyPeer, PolicyRule } from "#core/api/controlplane/index.ts";
import type { AddressGroup } from "./address-group.ts";
import type { AppliedToGroup } from "./applied-to-group.ts";
import type { GroupReference } from "./group-selector.ts";
import type { LoweredPolicy, LoweredRule } from "./lowered-policy.ts";

/** How references to groups become groups. */
export interface Groups {
  peers(reference: GroupReference): AddressGroup;
  subjects(reference: GroupReference): AppliedToGroup;
}

/** A policy in the published form, and the groups it names, each once. */
export interface PublishedPolicy {
  readonly row: NetworkPolicy;
  readonly subjects: readonly AppliedToGroup[];
  readonly peers: readonly AddressGroup[];
}

const noNames: readonly string[] = Object.freeze([]);
const none = Object.freeze([]);
/** The peer of a rule that only isolates. */
const nobody: PolicyPeer = Object.freeze({
  addressGroups: noNames,
  ipBlocks: none,
  fqdns: noNames,
  toServices: none,
  labelIdentities: none,
});

/** Selectors become names of groups. */
export function publishPolicy(policy: LoweredPolicy, groups: Groups, logging: boolean): PublishedPolicy {
  const naming = new Naming(groups);
  const { sourceRef, generation, tierPriority, priority, loggingOf } = policy;
  const row = {
    name: sourceRef.uid,
    uid: sourceRef.uid,
    generation,
    sourceRef,
    appliedToGroups: naming.subjectsOf(policy.appliedTo),
    rules: policy.rules.map((rule) => ruleRow(rule, naming, loggingOf === undefined ? rule.logging === true : logging)),
  };
  return {
    row: tierPriority === undefined && priority === undefined ? row : { ...row, ...given({ tierPriority, priority }) },
    subjects: distinct(naming.subjects),
    peers: distinct(naming.peers),
  };
}

/** Names groups, and remembers which were named. */
class Naming {
  subjects: readonly AppliedToGroup[] = none;
  peers: readonly AddressGroup[] = none;
  private readonly groups: Groups;

  constructor(groups: Groups) {
    this.groups = groups;
  }

  subjectsOf(references: readonly GroupReference[]): readonly string[] {
    if (references.length === 0) return noNames;
    const groups = references.map((reference) => this.groups.subjects(reference));
    this.subjects = this.subjects.length === 0 ? groups : [...this.subjects, ...groups];
    return namesOf(groups);
  }

  peersOf(references: readonly GroupReference[]): readonly string[] {
    if (references.length === 0) return noNames;
    const groups = references.map((reference) => this.groups.peers(reference));
    this.peers = this.peers.length === 0 ? groups : [...this.peers, ...groups];
    return namesOf(groups);
  }
}

function namesOf(groups: readonly { readonly name: string }[]): readonly string[] {
  return distinct(groups.map(({ name }) => name));
}

function ruleRow(rule: LoweredRule, naming: Naming, enableLogging: boolean): PolicyRule {
  const { direction, services, priority, action, name, logLabel } = rule;
  const row: PolicyRule = {
    direction,
    peer: peerRow(rule, naming),
    services,
    priority,
    action,
    enableLogging,
    appliedToGroups: naming.subjectsOf(rule.appliedTo),
    l7Protocols: rule.l7Protocols ?? none,
  };
  if (name === undefined && logLabel === undefined) return row;
  return { ...row, ...(name !== undefined && { name }), ...(logLabel !== undefined && { logLabel }) };
}

function peerRow({ peers, ipBlocks, fqdns, toServices }: LoweredRule, naming: Naming): PolicyPeer {
  if (peers.length === 0 && ipBlocks.length === 0 && fqdns === undefined && toServices === undefined) return nobody;
  return {
    addressGroups: naming.peersOf(peers),
    ipBlocks,
    fqdns: fqdns ?? noNames,
    toServices: toServices ?? none,
    labelIdentities: none,
  };
}

function distinct<Item>(items: readonly Item[]): readonly Item[] {
  return items.length < 2 ? items : [...new Set(items)];
}

/** The same policy with its rules logged or not. */
export function withLogging(row: NetworkPolicy, enableLogging: boolean): NetworkPolicy {
  return { ...row, rules: row.rules.map((rule) => ({ ...rule, enableLogging })) };
}

function given(orders: { readonly tierPriority: number | undefined; readonly priority: number | undefined }) {
  const { tierPriority, priority } = orders;
  return { ...(tierPriority !== undefined && { tierPriority }), ...(priority !== undefined && { priority }) };
}
