import { type Group, type GroupMember, memberKey } from "#core/api/controlplane/index.ts";
import type { AddressGroupChange, AppliedToGroupChange, MemberChanges } from "./changes.ts";
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
  readonly policies = new Set<PolicyEntry>();
  /** One reason for each policy that uses the group on a node. */
  readonly span = new Span();
  private readonly selection: Selection;
  private published = false;
  /** By pod: the member it was when last published. */
  private touched = new Map<string, GroupMember | undefined>();

  constructor(selection: NamedSelection) {
    this.name = selection.name;
    this.key = selection.normalizedName;
    this.selection = selection;
  }

  podChanged(pod: PodEntry, before: PodBefore): void {
    if (this.published && !this.touched.has(pod.row.key)) this.touched.set(pod.row.key, before.inside ? before.peer : undefined);
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
    const pairs = [...this.touched].map(([key, before]) => {
      const pod = inventory.pod(key);
      return { before, after: pod !== undefined && this.selection.labelSets.has(pod.labelSet) ? pod.peer : undefined };
    });
    this.touched = new Map();
    return memberChanges(pairs);
  }
}

/** A selection in the role of subjects: kept by node, since an agent sees its own part only. */
export class AppliedToGroup {
  readonly name: string;
  /** The normalised selector. */
  readonly key: string;
  readonly policies = new Set<PolicyEntry>();
  /** One reason for each member on a node. */
  readonly span = new Span();
  private published = false;
  private readonly byNode = new Map<string, Map<string, GroupMember>>();
  /** By node, by pod: the member it was when last published. */
  private touched = new Map<string, Map<string, GroupMember | undefined>>();

  constructor(selection: NamedSelection) {
    this.name = selection.name;
    this.key = selection.normalizedName;
    for (const labelSet of selection.labelSets) for (const pod of labelSet.pods) this.set(pod, pod.subject);
  }

  /** `inside`: whether the pod's labels are selected now. */
  podChanged(pod: PodEntry, before: PodBefore, inside: boolean): void {
    const after = inside ? pod.subject : undefined;
    if (before.inside && before.nodeName !== undefined && before.subject !== undefined) {
      if (before.subject === after && before.nodeName === pod.row.nodeName) return;
      this.remove(pod.row.key, before.nodeName);
    }
    this.set(pod, after);
  }

  group(node?: string): Group {
    const members =
      node === undefined ? [...this.byNode.values()].flatMap((part) => [...part.values()]) : [...(this.byNode.get(node)?.values() ?? [])];
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
    if (event !== "changed")
      return { name, event, ...spanChanges, span, byNode: new Map(), everywhere: noChanges, group: (node) => this.group(node) };
    const isNew = new Set(spanChanges.gained);
    const byNode = new Map([...touched].filter(([node]) => span.has(node) && !isNew.has(node)));
    const everywhere = merge(touched.values());
    if (touched.size === 0) return undefined;
    return { name, event, ...spanChanges, span, byNode, everywhere, group: (node) => this.group(node) };
  }

  private takeTouched(): Map<string, MemberChanges> {
    const result = new Map<string, MemberChanges>();
    for (const [node, pods] of this.touched) {
      const changes = memberChanges([...pods].map(([key, before]) => ({ before, after: this.byNode.get(node)?.get(key) })));
      if (!isEmpty(changes)) result.set(node, changes);
    }
    this.touched = new Map();
    return result;
  }

  private set(pod: PodEntry, member: GroupMember | undefined): void {
    const { key, nodeName } = pod.row;
    if (member === undefined || nodeName === undefined) return;
    const members = this.byNode.get(nodeName);
    this.touch(key, nodeName);
    if (members === undefined) this.byNode.set(nodeName, new Map([[key, member]]));
    else members.set(key, member);
    if (this.span.gain(nodeName)) for (const policy of this.policies) policy.gainNode(nodeName);
  }

  private remove(key: string, node: string): void {
    const members = this.byNode.get(node);
    if (members?.has(key) !== true) return;
    this.touch(key, node);
    members.delete(key);
    if (members.size === 0) this.byNode.delete(node);
    if (this.span.lose(node)) for (const policy of this.policies) policy.loseNode(node);
  }

  private touch(key: string, node: string): void {
    if (!this.published) return;
    let pods = this.touched.get(node);
    if (pods === undefined) {
      pods = new Map();
      this.touched.set(node, pods);
    }
    if (!pods.has(key)) pods.set(key, this.byNode.get(node)?.get(key));
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
