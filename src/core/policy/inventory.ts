import { type GroupMember, memberKey } from "#core/api/controlplane/index.ts";
import { type Labels, matchesRequirements, type Requirement } from "#lib/kube/selectors.ts";
import { Few } from "./few.ts";
import { LabelledItems, type Selecting, SelectorIndex } from "./label-index.ts";
import { type NamespaceRow, type PodRow, peerMember, subjectMember } from "./rows.ts";

/** A pod with its current memberships-to-be: undefined where it may not be a member. */
export interface PodEntry {
  row: PodRow;
  labelSet: LabelSet;
  peer: GroupMember | undefined;
  subject: GroupMember | undefined;
}

/** All pods of one namespace with equal labels. Selectors match these and not pods. */
export interface LabelSet {
  readonly namespace: NamespaceEntry;
  readonly key: string;
  readonly labels: Labels;
  readonly pods: Few<PodEntry>;
  readonly selections: Few<Selection>;
}

export interface NamespaceEntry {
  readonly name: string;
  /** Absent while only pods or policies were heard of: such a namespace meets no namespace selector. */
  row: NamespaceRow | undefined;
  readonly labelSets: Map<string, LabelSet>;
  readonly selections: SelectorIndex<Selection>;
  readonly scopes: Few<NamespaceScope>;
  /** Selections made in this namespace by name. */
  users: number;
}

/** One distinct namespace selector, with the namespaces that meet it and the selections made in them. */
export interface NamespaceScope extends Selecting {
  readonly namespaces: Set<NamespaceEntry>;
  readonly selections: SelectorIndex<Selection>;
  users: number;
}

/** One distinct selector of pods and the label sets that meet it. */
export interface Selection extends Selecting {
  readonly namespace?: string;
  readonly namespaces?: readonly Requirement[];
  readonly labelSets: Few<LabelSet>;
}

/** What a pod was to a selection before a change: `inside` is whether its labels were selected. */
export interface PodBefore {
  readonly inside: boolean;
  readonly peer: GroupMember | undefined;
  readonly subject: GroupMember | undefined;
  readonly nodeName: string | undefined;
}

/** Hears that `pod` may be another or no member of `selection` from now on. */
export type MembershipListener = (selection: Selection, pod: PodEntry, before: PodBefore) => void;

const outside: PodBefore = { inside: false, peer: undefined, subject: undefined, nodeName: undefined };
const insideBefore = ({ peer, subject, row }: PodEntry): PodBefore => ({ inside: true, peer, subject, nodeName: row.nodeName });

/** Which pods exist, interned by label set, and which selections each label set meets. Every change costs what it affects. */
export class Inventory {
  private readonly pods = new Map<string, PodEntry>();
  private readonly byNode = new Map<string, Set<PodEntry>>();
  private readonly namespaces = new Map<string, NamespaceEntry>();
  private readonly namespacesByLabel = new LabelledItems<NamespaceEntry>();
  private readonly labelSetsByLabel = new LabelledItems<LabelSet>();
  private readonly scopes = new Map<string, NamespaceScope>();
  private readonly scopeIndex = new SelectorIndex<NamespaceScope>();
  private readonly changed: MembershipListener;

  constructor(changed: MembershipListener) {
    this.changed = changed;
  }

  pod(key: string): PodEntry | undefined {
    return this.pods.get(key);
  }

  podsOn(node: string): Iterable<PodEntry> {
    return this.byNode.get(node) ?? [];
  }

  /** Whether the namespace asks for audit logs of its Kubernetes policies. */
  isLogging(namespace: string): boolean {
    return this.namespaces.get(namespace)?.row?.logging === true;
  }

  namespace(name: string): NamespaceEntry {
    const known = this.namespaces.get(name);
    if (known !== undefined) return known;
    const namespace: NamespaceEntry = {
      name,
      row: undefined,
      labelSets: new Map(),
      selections: new SelectorIndex(),
      scopes: new Few(),
      users: 0,
    };
    this.namespaces.set(name, namespace);
    return namespace;
  }

  upsertNamespace(row: NamespaceRow): void {
    const namespace = this.namespace(row.name);
    const before = namespace.row;
    namespace.row = row;
    if (before !== undefined && labelsKey(before.labels) === labelsKey(row.labels)) return;
    if (before !== undefined) this.namespacesByLabel.delete(namespace, before.labels);
    this.namespacesByLabel.add(namespace, row.labels);
    const now = new Set<NamespaceScope>();
    this.scopeIndex.matching(row.labels, (scope) => now.add(scope));
    for (const scope of [...namespace.scopes]) if (!now.has(scope)) this.leaveScope(namespace, scope);
    for (const scope of now) if (!namespace.scopes.has(scope)) this.enterScope(namespace, scope);
  }

  deleteNamespace(name: string): void {
    const namespace = this.namespaces.get(name);
    if (namespace?.row === undefined) return;
    this.namespacesByLabel.delete(namespace, namespace.row.labels);
    namespace.row = undefined;
    for (const scope of [...namespace.scopes]) this.leaveScope(namespace, scope);
    this.forgetIfUnused(namespace);
  }

  upsertPod(row: PodRow): void {
    const key = labelsKey(row.labels);
    const pod = this.pods.get(row.key);
    if (pod === undefined) {
      const labelSet = this.labelSet(row.namespace, key, row.labels);
      const added: PodEntry = { row, labelSet, peer: peerMember(row), subject: subjectMember(row) };
      this.pods.set(row.key, added);
      this.fileByNode(added, undefined);
      labelSet.pods.add(added);
      for (const selection of labelSet.selections) this.changed(selection, added, outside);
      return;
    }
    const before = insideBefore(pod);
    const from = pod.labelSet;
    const to = from.key === key ? from : this.labelSet(row.namespace, key, row.labels);
    pod.row = row;
    pod.labelSet = to;
    this.fileByNode(pod, before.nodeName);
    pod.peer = keepIfEqual(pod.peer, peerMember(row));
    pod.subject = keepIfEqual(pod.subject, subjectMember(row));
    if (from === to) {
      if (pod.peer === before.peer && pod.subject === before.subject && row.nodeName === before.nodeName) return;
      for (const selection of to.selections) this.changed(selection, pod, before);
      return;
    }
    from.pods.delete(pod);
    to.pods.add(pod);
    for (const selection of from.selections) this.changed(selection, pod, before);
    for (const selection of to.selections) if (!from.selections.has(selection)) this.changed(selection, pod, outside);
    this.dropIfEmpty(from);
  }

  deletePod(key: string): void {
    const pod = this.pods.get(key);
    if (pod === undefined) return;
    this.pods.delete(key);
    this.unfileByNode(pod, pod.row.nodeName);
    pod.labelSet.pods.delete(pod);
    for (const selection of pod.labelSet.selections) this.changed(selection, pod, insideBefore(pod));
    this.dropIfEmpty(pod.labelSet);
  }

  /** Finds the label sets of a new selection; from then on it is kept current. Nobody is told about the pods it starts with. */
  addSelection(selection: Selection): void {
    const { namespace, namespaces, requirements } = selection;
    if (namespace !== undefined) {
      const home = this.namespace(namespace);
      home.users++;
      home.selections.add(selection);
      const wanted = this.labelSetsByLabel.candidates(requirements);
      if (wanted.size < home.labelSets.size) this.match(selection, wanted, (labelSet) => labelSet.namespace === home);
      else this.match(selection, home.labelSets.values(), () => true);
      return;
    }
    const scope = this.scope(namespaces ?? []);
    scope.users++;
    scope.selections.add(selection);
    const wanted = this.labelSetsByLabel.candidates(requirements);
    if (wanted.size <= scope.namespaces.size) this.match(selection, wanted, (labelSet) => scope.namespaces.has(labelSet.namespace));
    else for (const namespace of scope.namespaces) this.match(selection, namespace.labelSets.values(), () => true);
  }

  deleteSelection(selection: Selection): void {
    for (const labelSet of selection.labelSets) labelSet.selections.delete(selection);
    selection.labelSets.clear();
    if (selection.namespace !== undefined) {
      const home = this.namespace(selection.namespace);
      home.users--;
      home.selections.delete(selection);
      this.forgetIfUnused(home);
      return;
    }
    const key = requirementsKey(selection.namespaces ?? []);
    const scope = this.scopes.get(key);
    if (scope === undefined) return;
    scope.selections.delete(selection);
    if (--scope.users > 0) return;
    this.scopes.delete(key);
    this.scopeIndex.delete(scope);
    for (const namespace of scope.namespaces) namespace.scopes.delete(scope);
  }

  private fileByNode(pod: PodEntry, before: string | undefined): void {
    const { nodeName } = pod.row;
    if (nodeName === before) return;
    this.unfileByNode(pod, before);
    if (nodeName === undefined) return;
    const pods = this.byNode.get(nodeName);
    if (pods === undefined) this.byNode.set(nodeName, new Set([pod]));
    else pods.add(pod);
  }

  private unfileByNode(pod: PodEntry, node: string | undefined): void {
    if (node === undefined) return;
    const pods = this.byNode.get(node);
    if (pods?.delete(pod) && pods.size === 0) this.byNode.delete(node);
  }

  private match(selection: Selection, labelSets: Iterable<LabelSet>, inScope: (labelSet: LabelSet) => boolean): void {
    for (const labelSet of labelSets) {
      if (!inScope(labelSet) || !matchesRequirements(selection.requirements, labelSet.labels)) continue;
      labelSet.selections.add(selection);
      selection.labelSets.add(labelSet);
    }
  }

  private scope(requirements: readonly Requirement[]): NamespaceScope {
    const key = requirementsKey(requirements);
    const known = this.scopes.get(key);
    if (known !== undefined) return known;
    const scope: NamespaceScope = { requirements, namespaces: new Set(), selections: new SelectorIndex(), users: 0 };
    this.scopes.set(key, scope);
    this.scopeIndex.add(scope);
    for (const namespace of this.namespacesByLabel.candidates(requirements)) {
      if (namespace.row === undefined || !matchesRequirements(requirements, namespace.row.labels)) continue;
      scope.namespaces.add(namespace);
      namespace.scopes.add(scope);
    }
    return scope;
  }

  private labelSet(namespaceName: string, key: string, labels: Labels): LabelSet {
    const namespace = this.namespace(namespaceName);
    const known = namespace.labelSets.get(key);
    if (known !== undefined) return known;
    const labelSet: LabelSet = { namespace, key, labels, pods: new Few(), selections: new Few() };
    namespace.labelSets.set(key, labelSet);
    this.labelSetsByLabel.add(labelSet, labels);
    const join = (selection: Selection): void => {
      labelSet.selections.add(selection);
      selection.labelSets.add(labelSet);
    };
    namespace.selections.matching(labels, join);
    for (const scope of namespace.scopes) scope.selections.matching(labels, join);
    return labelSet;
  }

  private dropIfEmpty(labelSet: LabelSet): void {
    if (labelSet.pods.size > 0) return;
    for (const selection of labelSet.selections) selection.labelSets.delete(labelSet);
    labelSet.namespace.labelSets.delete(labelSet.key);
    this.labelSetsByLabel.delete(labelSet, labelSet.labels);
    this.forgetIfUnused(labelSet.namespace);
  }

  private forgetIfUnused(namespace: NamespaceEntry): void {
    if (namespace.row === undefined && namespace.labelSets.size === 0 && namespace.users === 0) this.namespaces.delete(namespace.name);
  }

  private enterScope(namespace: NamespaceEntry, scope: NamespaceScope): void {
    scope.namespaces.add(namespace);
    namespace.scopes.add(scope);
    for (const labelSet of namespace.labelSets.values()) {
      scope.selections.matching(labelSet.labels, (selection) => {
        labelSet.selections.add(selection);
        selection.labelSets.add(labelSet);
        for (const pod of labelSet.pods) this.changed(selection, pod, outside);
      });
    }
  }

  private leaveScope(namespace: NamespaceEntry, scope: NamespaceScope): void {
    scope.namespaces.delete(namespace);
    namespace.scopes.delete(scope);
    for (const labelSet of namespace.labelSets.values()) {
      scope.selections.matching(labelSet.labels, (selection) => {
        labelSet.selections.delete(selection);
        selection.labelSets.delete(labelSet);
        for (const pod of labelSet.pods) this.changed(selection, pod, insideBefore(pod));
      });
    }
  }
}

/** Keeps the object where the content is equal, so that "is it the same" is one comparison from then on. */
function keepIfEqual(before: GroupMember | undefined, now: GroupMember | undefined): GroupMember | undefined {
  return before !== undefined && now !== undefined && memberKey(before) === memberKey(now) ? before : now;
}

function labelsKey(labels: Labels): string {
  const keys = Object.keys(labels);
  if (keys.length > 1) keys.sort();
  let text = "";
  // Neither character can be in a label.
  for (const key of keys) text += `${key}=${labels[key]},`;
  return text;
}

function requirementsKey(requirements: readonly Requirement[]): string {
  return requirements
    .map(({ key, operator, values }) => `${key} ${operator} ${values.toSorted().join(",")}`)
    .sort()
    .join(";");
}
