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

/** The groups that a policy names, each as often and in the order in which it does. */
export interface NamedGroups {
  readonly subjects: readonly AppliedToGroup[];
  readonly peers: readonly AddressGroup[];
}

export function groupsOf({ appliedTo, rules }: LoweredPolicy, groups: Groups): NamedGroups {
  const subjects: AppliedToGroup[] = [];
  const peers: AddressGroup[] = [];
  for (const reference of appliedTo) subjects.push(groups.subjects(reference));
  for (const rule of rules) {
    for (const reference of rule.peers) peers.push(groups.peers(reference));
    for (const reference of rule.appliedTo) subjects.push(groups.subjects(reference));
  }
  // Cut off: a list that grew has room for 16 more, and these are kept.
  return { subjects: subjects.slice(), peers: peers.length === 0 ? none : peers.slice() };
}

const noNames: readonly string[] = Object.freeze([]);
const none: readonly never[] = Object.freeze([]);
/** The peer of a rule that only isolates. */
const nobody: PolicyPeer = Object.freeze({
  addressGroups: noNames,
  ipBlocks: none,
  fqdns: noNames,
  toServices: none,
  labelIdentities: none,
});

/** A policy in the published form: the groups that {@link groupsOf} found stand for its selectors. */
export function policyRow(
  policy: LoweredPolicy,
  { subjects, peers, isLogged, isRefusing }: Named<NamedGroups> & { readonly isLogged: boolean; readonly isRefusing: boolean },
): NetworkPolicy {
  const naming = new Naming({ subjects, peers });
  const { sourceRef, generation, tierPriority, priority, loggingOf } = policy;
  const row = {
    name: sourceRef.uid,
    uid: sourceRef.uid,
    generation,
    sourceRef,
    appliedToGroups: naming.subjectsOf(policy.appliedTo),
    ...(policy.staged && { staged: true as const }),
    ...((policy.refusing || (loggingOf !== undefined && isRefusing)) && { refusing: true as const }),
    rules: policy.rules.map((rule) => ruleRow(rule, naming, loggingOf === undefined ? rule.logging === true : isLogged)),
  };
  return tierPriority === undefined && priority === undefined ? row : { ...row, ...given({ tierPriority, priority }) };
}

type Named<Lists> = { readonly [List in keyof Lists]: readonly { readonly name: string }[] };

/** Goes through the groups as the policy names them. */
class Naming {
  private readonly groups: Named<NamedGroups>;
  private subjectsNamed = 0;
  private peersNamed = 0;

  constructor(groups: Named<NamedGroups>) {
    this.groups = groups;
  }

  subjectsOf({ length }: readonly GroupReference[]): readonly string[] {
    if (length === 0) return noNames;
    const from = this.subjectsNamed;
    this.subjectsNamed += length;
    return namesOf(this.groups.subjects.slice(from, this.subjectsNamed));
  }

  peersOf({ length }: readonly GroupReference[]): readonly string[] {
    if (length === 0) return noNames;
    const from = this.peersNamed;
    this.peersNamed += length;
    return namesOf(this.groups.peers.slice(from, this.peersNamed));
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

function given(orders: { readonly tierPriority: number | undefined; readonly priority: number | undefined }) {
  const { tierPriority, priority } = orders;
  return { ...(tierPriority !== undefined && { tierPriority }), ...(priority !== undefined && { priority }) };
}
