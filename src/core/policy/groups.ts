import { type Group, type GroupMember, memberKey } from "#core/api/controlplane/index.ts";
import type { AddressGroupChange, AppliedToGroupChange, MemberChanges } from "./changes.ts";
import { Few } from "./few.ts";
import type { Inventory, PodBefore, PodEntry, Selection } from "./inventory.ts";
import type { PolicyEntry } from "./policy-entry.ts";
import { Span } from "./span.ts";

/** A selection that has a name to be published under. */
export interface NamedSelection extends Selection {
  readonly normalizedName: string;
  readonly name: string;
}

/** A selection in the role of peers. Its members are those of its label sets and stand nowhere else; only changes not yet published do. */
export class AddressGroup {
  readonly name: string;
  /** The normalised selector. */
  readonly key: string;
  readonly policies = new Few<PolicyEntry>();
  /** One reason for each policy that uses the group on a node. */
  readonly span = new Span();
  private readonly selection: Selection;
  private published = false;
  /** By pod: the member it was when last published. */
  private touched: Map<string, GroupMember | undefined> | undefined;

  constructor(selection: NamedSelection) {
    this.name = selection.name;
    this.key = selection.normalizedName;
    this.selection = selection;
  }

  podChanged(pod: PodEntry, before: PodBefore): void {
    if (!this.published) return;
    this.touched ??= new Map();
    if (!this.touched.has(pod.row.key)) this.touched.set(pod.row.key, before.inside ? before.peer : undefined);
  }

  group(): Group {
    const members: GroupMember[] = [];
    for (const labelSet of this.selection.labelSets) for (const { peer } of labelSet.pods) if (peer !== undefined) members.push(peer);
    return { name: this.name, uid: this.name, members };
  }

  /** What to tell; undefined when nothing changed. */
  publish(inventory: Inventory): AddressGroupChange | undefined {
    const { name, span } = this;
    const alive = this.policies.size > 0;
    if (!alive && !this.published) return undefined;
    const event = !alive ? "deleted" : this.published ? "changed" : "created";
    const changes = event === "changed" ? this.takeMemberChanges(inventory) : noChanges;
    const spanChanges = span.takeChanges();
    this.published = alive;
    if (event === "changed" && isEmpty(changes) && spanChanges.gained.length === 0 && spanChanges.lost.length === 0) return undefined;
    return { name, event, ...changes, ...spanChanges, span, group: () => this.group() };
  }

  private takeMemberChanges(inventory: Inventory): MemberChanges {
    const pairs = [...(this.touched ?? [])].map(([key, before]) => {
      const pod = inventory.pod(key);
      return { before, after: pod !== undefined && this.selection.labelSets.has(pod.labelSet) ? pod.peer : undefined };
    });
    this.touched = undefined;
    return memberChanges(pairs);
  }
}

/** A selection in the role of subjects. An agent sees its own node's part only, which is found among the pods of that node. */
export class AppliedToGroup {
  readonly name: string;
  /** The normalised selector. */
  readonly key: string;
  readonly policies = new Few<PolicyEntry>();
  /** One reason for each member on a node. */
  readonly span = new Span();
  private readonly selection: Selection;
  private readonly inventory: Inventory;
  private published = false;
  /** By node, by pod: the member it was there when last published. */
  private touched: Map<string, Map<string, GroupMember | undefined>> | undefined;

  constructor(selection: NamedSelection, inventory: Inventory) {
    this.name = selection.name;
    this.key = selection.normalizedName;
    this.selection = selection;
    this.inventory = inventory;
    for (const { row, subject } of this.pods()) if (subject !== undefined && row.nodeName !== undefined) this.span.gain(row.nodeName);
  }

  podChanged(pod: PodEntry, before: PodBefore): void {
    const { key, nodeName } = pod.row;
    const was = before.inside ? before.subject : undefined;
    const is = this.memberOf(key);
    if (was === is && before.nodeName === nodeName) return;
    // The new reason first, so that a pod that only changed does not take its node out and in again.
    if (is !== undefined && nodeName !== undefined) {
      this.touch(nodeName, key, before.nodeName === nodeName ? was : undefined);
      if (this.span.gain(nodeName)) for (const policy of this.policies) policy.gainNode(nodeName);
    }
    if (was !== undefined && before.nodeName !== undefined) {
      this.touch(before.nodeName, key, was);
      if (this.span.lose(before.nodeName)) for (const policy of this.policies) policy.loseNode(before.nodeName);
    }
  }

  group(node?: string): Group {
    const members: GroupMember[] = [];
    for (const { labelSet, subject } of node === undefined ? this.pods() : this.inventory.podsOn(node))
      if (subject !== undefined && this.selection.labelSets.has(labelSet)) members.push(subject);
    return { name: this.name, uid: this.name, members };
  }

  publish(): AppliedToGroupChange | undefined {
    const { name, span } = this;
    const alive = this.policies.size > 0;
    if (!alive && !this.published) return undefined;
    const event = !alive ? "deleted" : this.published ? "changed" : "created";
    // A group that nobody uses has a span nowhere, whoever its members are.
    const spanChanges = alive ? span.takeChanges() : { gained: [], lost: publishedNodes(span) };
    const touched = this.takeTouched();
    this.published = alive;
    const group = (node?: string): Group => this.group(node);
    if (event !== "changed") return { name, event, ...spanChanges, span, byNode: new Map(), everywhere: noChanges, group };
    if (touched.size === 0) return undefined;
    const isNew = new Set(spanChanges.gained);
    const byNode = new Map([...touched].filter(([node]) => span.has(node) && !isNew.has(node)));
    return { name, event, ...spanChanges, span, byNode, everywhere: merge(touched.values()), group };
  }

  private *pods(): IterableIterator<PodEntry> {
    for (const labelSet of this.selection.labelSets) yield* labelSet.pods;
  }

  private memberOf(podKey: string, node?: string): GroupMember | undefined {
    const pod = this.inventory.pod(podKey);
    if (pod === undefined || !this.selection.labelSets.has(pod.labelSet)) return undefined;
    return node === undefined || pod.row.nodeName === node ? pod.subject : undefined;
  }

  private takeTouched(): Map<string, MemberChanges> {
    const result = new Map<string, MemberChanges>();
    for (const [node, pods] of this.touched ?? []) {
      const changes = memberChanges([...pods].map(([key, before]) => ({ before, after: this.memberOf(key, node) })));
      if (!isEmpty(changes)) result.set(node, changes);
    }
    this.touched = undefined;
    return result;
  }

  private touch(node: string, podKey: string, before: GroupMember | undefined): void {
    if (!this.published) return;
    this.touched ??= new Map();
    let pods = this.touched.get(node);
    if (pods === undefined) {
      pods = new Map();
      this.touched.set(node, pods);
    }
    if (!pods.has(podKey)) pods.set(podKey, before);
  }
}

const noChanges: MemberChanges = Object.freeze({ added: [], removed: [] });
const isEmpty = ({ added, removed }: MemberChanges): boolean => added.length === 0 && removed.length === 0;

/** The nodes that were told of a span: those in it now but for the newly gained, and those lost since. */
function publishedNodes(span: Span): string[] {
  const { gained, lost } = span.takeChanges();
  const isNew = new Set(gained);
  return [...[...span.nodes()].filter((node) => !isNew.has(node)), ...lost];
}

function memberChanges(
  pairs: readonly { readonly before: GroupMember | undefined; readonly after: GroupMember | undefined }[],
): MemberChanges {
  const added: GroupMember[] = [];
  const removed: GroupMember[] = [];
  for (const { before, after } of pairs) {
    if (before === after || (before && after && memberKey(before) === memberKey(after))) continue;
    if (before) removed.push(before);
    if (after) added.push(after);
  }
  return added.length === 0 && removed.length === 0 ? noChanges : { added, removed };
}

/** All changes as one; what is removed here and added there cancels out. */
function merge(parts: Iterable<MemberChanges>): MemberChanges {
  const added = new Map<string, GroupMember>();
  const removed = new Map<string, GroupMember>();
  for (const part of parts) {
    for (const member of part.added) added.set(memberKey(member), member);
    for (const member of part.removed) removed.set(memberKey(member), member);
  }
  for (const key of [...added.keys()]) if (removed.delete(key)) added.delete(key);
  return { added: [...added.values()], removed: [...removed.values()] };
}
