import type { NetworkPolicy, PolicyRule } from "#core/api/controlplane/index.ts";
import type { PolicyChange } from "./changes.ts";
import { Few } from "./few.ts";
import type { GroupSelector } from "./group-selector.ts";
import type { AddressGroup, AppliedToGroup } from "./groups.ts";
import type { LoweredPolicy, LoweredRule } from "./lowered-policy.ts";
import { Span } from "./span.ts";

/** What must be looked at when changes are next published. */
export interface Dirty {
  readonly policies: Set<PolicyEntry>;
  readonly addressGroups: Set<AddressGroup>;
  readonly appliedToGroups: Set<AppliedToGroup>;
}

/** One policy: its row, and the groups it holds on to. Its span is the union of its subjects', and its peers are needed wherever it is. */
export class PolicyEntry {
  readonly name: string;
  /** Undefined once deleted. */
  row: NetworkPolicy | undefined;
  /** The namespace whose switch decides whether its rules are logged. */
  loggingOf: string | undefined;
  readonly subjects = new Few<AppliedToGroup>();
  readonly peers = new Few<AddressGroup>();
  /** One reason for each of the subject groups. */
  readonly span = new Span();
  private published: NetworkPolicy | undefined;
  private readonly dirty: Dirty;

  constructor(name: string, dirty: Dirty) {
    this.name = name;
    this.dirty = dirty;
  }

  gainNode(node: string): void {
    if (!this.span.gain(node)) return;
    this.dirty.policies.add(this);
    for (const group of this.peers) this.gainPeer(group, node);
  }

  loseNode(node: string): void {
    if (!this.span.lose(node)) return;
    this.dirty.policies.add(this);
    for (const group of this.peers) this.losePeer(group, node);
  }

  /** Makes the groups it holds on to exactly these. */
  use(subjects: ReadonlySet<AppliedToGroup>, peers: ReadonlySet<AddressGroup>): void {
    for (const group of peers) if (!this.peers.has(group)) this.addPeers(group);
    for (const group of subjects) if (!this.subjects.has(group)) this.addSubjects(group);
    for (const group of [...this.subjects]) if (!subjects.has(group)) this.removeSubjects(group);
    for (const group of [...this.peers]) if (!peers.has(group)) this.removePeers(group);
  }

  publish(): PolicyChange | undefined {
    const { name, row, span } = this;
    const before = this.published;
    const spanChanges = span.takeChanges();
    this.published = row;
    if (row === undefined) return before && { name, event: "deleted", row: before, contentChanged: true, span, ...spanChanges };
    if (before === undefined) return { name, event: "created", row, contentChanged: true, span, ...spanChanges };
    const contentChanged = JSON.stringify(before) !== JSON.stringify(row);
    if (!contentChanged && spanChanges.gained.length === 0 && spanChanges.lost.length === 0) return undefined;
    return { name, event: "changed", row, contentChanged, span, ...spanChanges };
  }

  private addPeers(group: AddressGroup): void {
    this.peers.add(group);
    group.policies.add(this);
    this.dirty.addressGroups.add(group);
    for (const node of this.span.nodes()) this.gainPeer(group, node);
  }

  private removePeers(group: AddressGroup): void {
    this.peers.delete(group);
    group.policies.delete(this);
    this.dirty.addressGroups.add(group);
    for (const node of this.span.nodes()) this.losePeer(group, node);
  }

  private addSubjects(group: AppliedToGroup): void {
    this.subjects.add(group);
    group.policies.add(this);
    this.dirty.appliedToGroups.add(group);
    for (const node of group.span.nodes()) this.gainNode(node);
  }

  private removeSubjects(group: AppliedToGroup): void {
    this.subjects.delete(group);
    group.policies.delete(this);
    this.dirty.appliedToGroups.add(group);
    for (const node of group.span.nodes()) this.loseNode(node);
  }

  private gainPeer(group: AddressGroup, node: string): void {
    if (group.span.gain(node)) this.dirty.addressGroups.add(group);
  }

  private losePeer(group: AddressGroup, node: string): void {
    if (group.span.lose(node)) this.dirty.addressGroups.add(group);
  }
}

/** The same policy with its rules logged or not. */
export function withLogging(row: NetworkPolicy, enableLogging: boolean): NetworkPolicy {
  return { ...row, rules: row.rules.map((rule) => ({ ...rule, enableLogging })) };
}

/** The published form of a policy: selectors become names of groups. */
export function policyRow(
  policy: LoweredPolicy,
  context: { readonly logging: boolean; readonly nameOf: (selector: GroupSelector) => string },
): NetworkPolicy {
  const { sourceRef, generation, tierPriority, priority } = policy;
  const names = (selectors: readonly GroupSelector[]): string[] => [...new Set(selectors.map(context.nameOf))];
  const ruleRow = (rule: LoweredRule): PolicyRule => ({
    direction: rule.direction,
    peer: { addressGroups: names(rule.peers), ipBlocks: rule.ipBlocks, fqdns: [], toServices: [], labelIdentities: [] },
    services: rule.services,
    priority: rule.priority,
    action: rule.action,
    enableLogging: policy.loggingOf === undefined ? rule.logging === true : context.logging,
    appliedToGroups: names(rule.appliedTo),
    ...(rule.name !== undefined && { name: rule.name }),
    l7Protocols: [],
  });
  return {
    name: sourceRef.uid,
    uid: sourceRef.uid,
    generation,
    sourceRef,
    appliedToGroups: names(policy.appliedTo),
    ...(tierPriority !== undefined && { tierPriority }),
    ...(priority !== undefined && { priority }),
    rules: policy.rules.map(ruleRow),
  };
}
