import type { Group, NetworkPolicy } from "#core/api/controlplane/index.ts";
import type { PolicyChanges } from "./changes.ts";
import { Few } from "./few.ts";
import { type GroupSelector, groupName } from "./group-selector.ts";
import { AddressGroup, AppliedToGroup, type NamedSelection } from "./groups.ts";
import { Inventory } from "./inventory.ts";
import type { LoweredPolicy } from "./lowered-policy.ts";
import { type Dirty, PolicyEntry, policyRow, withLogging } from "./policy-entry.ts";
import type { NamespaceRow, PodRow } from "./rows.ts";
import type { SpanView } from "./span.ts";

/** A published row and the nodes that need it. */
export interface PolicyView {
  readonly row: NetworkPolicy;
  readonly span: SpanView;
}

export interface AddressGroupView {
  readonly name: string;
  readonly span: SpanView;
  group(): Group;
}

export interface AppliedToGroupView {
  readonly name: string;
  readonly span: SpanView;
  /** The members on `node`, or all. */
  group(node?: string): Group;
}

/**
 * From pods, namespaces and policies to the policies, address groups and applied-to groups that each node needs. Deterministic: equal inputs
 * give equal rows, in whatever order they came. Each call costs what it affects; {@link flush} tells the net difference since the last one.
 */
export interface PolicyEngine {
  upsertNamespace(row: NamespaceRow): void;
  deleteNamespace(name: string): void;
  upsertPod(row: PodRow): void;
  /** `key` is `namespace/name`. */
  deletePod(key: string): void;
  /** Adds or replaces the policy of this source UID. */
  upsertPolicy(policy: LoweredPolicy): void;
  deletePolicy(uid: string): void;
  /** Publishes what changed. The views below show what was published last, so call it before reading them after a change. */
  flush(): PolicyChanges;

  /** The groups that the pod `namespace/name` is selected for, by name; undefined for an unknown pod. */
  groupsOfPod(key: string): PodGroups | undefined;
  policy(name: string): PolicyView | undefined;
  policies(): IteratorObject<PolicyView>;
  addressGroup(name: string): AddressGroupView | undefined;
  addressGroups(): IteratorObject<AddressGroupView>;
  appliedToGroup(name: string): AppliedToGroupView | undefined;
  appliedToGroups(): IteratorObject<AppliedToGroupView>;
}

export interface PodGroups {
  readonly addressGroups: ReadonlySet<string>;
  readonly appliedToGroups: ReadonlySet<string>;
}

/** A distinct selector in use, in one role or both. */
interface UsedSelection extends NamedSelection {
  peers: AddressGroup | undefined;
  subjects: AppliedToGroup | undefined;
}

export function createPolicyEngine(): PolicyEngine {
  const dirty: Dirty = { policies: new Set(), addressGroups: new Set(), appliedToGroups: new Set() };
  const policies = new Map<string, PolicyEntry>();
  const byNamespaceLogging = new Map<string, Few<PolicyEntry>>();
  const selections = new Map<string, UsedSelection>();
  const addressGroups = new Map<string, AddressGroup>();
  const appliedToGroups = new Map<string, AppliedToGroup>();

  const inventory = new Inventory((selection, pod, before) => {
    const { peers, subjects } = selection as UsedSelection;
    if (peers !== undefined) {
      dirty.addressGroups.add(peers);
      peers.podChanged(pod, before);
    }
    if (subjects !== undefined) {
      dirty.appliedToGroups.add(subjects);
      subjects.podChanged(pod, before);
    }
  });

  const selectionOf = (selector: GroupSelector): UsedSelection => {
    const known = selections.get(selector.normalizedName);
    if (known !== undefined) return known;
    const { normalizedName, namespace, namespaces, pods: requirements } = selector;
    const name = groupName(normalizedName);
    const scope = namespace === undefined ? { namespaces: namespaces ?? [] } : { namespace };
    const selection: UsedSelection = {
      normalizedName,
      name,
      ...scope,
      requirements,
      labelSets: new Few(),
      peers: undefined,
      subjects: undefined,
    };
    selections.set(normalizedName, selection);
    inventory.addSelection(selection);
    return selection;
  };
  const peersOf = (selector: GroupSelector): AddressGroup => {
    const selection = selectionOf(selector);
    if (selection.peers === undefined) {
      selection.peers = new AddressGroup(selection);
      addressGroups.set(selection.name, selection.peers);
    }
    return selection.peers;
  };
  const subjectsOf = (selector: GroupSelector): AppliedToGroup => {
    const selection = selectionOf(selector);
    if (selection.subjects === undefined) {
      selection.subjects = new AppliedToGroup(selection, inventory);
      appliedToGroups.set(selection.name, selection.subjects);
    }
    return selection.subjects;
  };

  const fileUnderLogging = (entry: PolicyEntry, namespace: string | undefined): void => {
    const before = entry.loggingOf;
    entry.loggingOf = namespace;
    if (before !== undefined && byNamespaceLogging.get(before)?.delete(entry) && byNamespaceLogging.get(before)?.size === 0)
      byNamespaceLogging.delete(before);
    if (namespace === undefined) return;
    const entries = byNamespaceLogging.get(namespace) ?? new Few();
    byNamespaceLogging.set(namespace, entries);
    entries.add(entry);
  };
  const loggingMayDiffer = (namespace: string, change: () => void): void => {
    const before = inventory.isLogging(namespace);
    change();
    if (inventory.isLogging(namespace) === before) return;
    for (const entry of byNamespaceLogging.get(namespace) ?? []) {
      if (entry.row !== undefined) entry.row = withLogging(entry.row, !before);
      dirty.policies.add(entry);
    }
  };

  const forgetUnused = (): void => {
    const unused = new Set<string>();
    for (const group of dirty.addressGroups) if (group.policies.size === 0) unused.add(group.key);
    for (const group of dirty.appliedToGroups) if (group.policies.size === 0) unused.add(group.key);
    for (const key of unused) {
      const selection = selections.get(key);
      if (selection === undefined) continue;
      if (selection.peers?.policies.size === 0) {
        addressGroups.delete(selection.name);
        selection.peers = undefined;
      }
      if (selection.subjects?.policies.size === 0) {
        appliedToGroups.delete(selection.name);
        selection.subjects = undefined;
      }
      if (selection.peers !== undefined || selection.subjects !== undefined) continue;
      inventory.deleteSelection(selection);
      selections.delete(key);
    }
  };

  return {
    upsertNamespace: (row) => loggingMayDiffer(row.name, () => inventory.upsertNamespace(row)),
    deleteNamespace: (name) => loggingMayDiffer(name, () => inventory.deleteNamespace(name)),
    upsertPod: (row) => inventory.upsertPod(row),
    deletePod: (key) => inventory.deletePod(key),
    upsertPolicy(lowered) {
      const { uid } = lowered.sourceRef;
      const entry = policies.get(uid) ?? new PolicyEntry(uid, dirty);
      policies.set(uid, entry);
      fileUnderLogging(entry, lowered.loggingOf);
      const subjects = [...lowered.appliedTo, ...lowered.rules.flatMap(({ appliedTo }) => appliedTo)];
      entry.use(new Set(subjects.map(subjectsOf)), new Set(lowered.rules.flatMap(({ peers }) => peers).map(peersOf)));
      const logging = lowered.loggingOf !== undefined && inventory.isLogging(lowered.loggingOf);
      entry.row = policyRow(lowered, { logging, nameOf: (selector) => selectionOf(selector).name });
      dirty.policies.add(entry);
    },
    deletePolicy(uid) {
      const entry = policies.get(uid);
      if (entry === undefined) return;
      fileUnderLogging(entry, undefined);
      entry.row = undefined;
      entry.use(new Set(), new Set());
      dirty.policies.add(entry);
    },
    flush() {
      const changes = {
        policies: present([...dirty.policies].map((entry) => entry.publish())),
        addressGroups: present([...dirty.addressGroups].map((group) => group.publish(inventory))),
        appliedToGroups: present([...dirty.appliedToGroups].map((group) => group.publish())),
      };
      for (const entry of dirty.policies) if (entry.row === undefined) policies.delete(entry.name);
      forgetUnused();
      for (const set of Object.values(dirty)) set.clear();
      return changes;
    },
    groupsOfPod(key) {
      const pod = inventory.pod(key);
      if (pod === undefined) return undefined;
      const used = [...pod.labelSet.selections] as UsedSelection[];
      return {
        addressGroups: new Set(pod.peer ? used.filter(({ peers }) => peers).map(({ name }) => name) : []),
        appliedToGroups: new Set(pod.subject ? used.filter(({ subjects }) => subjects).map(({ name }) => name) : []),
      };
    },
    policy: (name) => withRow(policies.get(name)),
    policies: () =>
      policies
        .values()
        .map(withRow)
        .filter((view) => view !== undefined),
    addressGroup: (name) => addressGroups.get(name),
    addressGroups: () => addressGroups.values(),
    appliedToGroup: (name) => appliedToGroups.get(name),
    appliedToGroups: () => appliedToGroups.values(),
  };
}

const present = <Item>(items: readonly (Item | undefined)[]): Item[] => items.filter((item) => item !== undefined);

function withRow(entry: PolicyEntry | undefined): PolicyView | undefined {
  return entry?.row === undefined ? undefined : { row: entry.row, span: entry.span };
}
