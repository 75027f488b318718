import type { Group, GroupMember, NetworkPolicy } from "#core/api/controlplane/index.ts";
import { AddressGroup } from "./address-group.ts";
import { AppliedToGroup } from "./applied-to-group.ts";
import type { Audience } from "./audience.ts";
import type { PolicyChanges } from "./changes.ts";
import { Few } from "./few.ts";
import { GroupRegistry, type NamedContent } from "./group-registry.ts";
import { Inventory } from "./inventory.ts";
import type { GroupSelector } from "./group-selector.ts";
import type { SubjectKind } from "./labels.ts";
import type { LoweredPolicy } from "./lowered-policy.ts";
import { eachEntity } from "./members.ts";
import type { Entity, Selector } from "./places.ts";
import { PolicyEntry } from "./policy-entry.ts";
import { publishPolicy, withLogging } from "./policy-row.ts";
import type { EntityRow, NamespaceRow } from "./rows.ts";
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

/** A group that something is selected for, and the policies that name it. The same list as long as those are the same. */
export interface GroupUse {
  readonly group: string;
  readonly policies: readonly NetworkPolicy[];
}

export interface GroupUses {
  readonly asPeer: readonly GroupUse[];
  readonly asSubject: readonly GroupUse[];
}

/**
 * From pods, external entities, nodes, namespaces and policies to the policies, address groups and applied-to groups that each node needs.
 * Deterministic: equal inputs give equal rows, in whatever order they came. Each call costs what it affects; {@link PolicyEngine.flush} tells the net
 * difference since the last one.
 */
export interface PolicyEngine {
  upsertNamespace(row: NamespaceRow): void;
  deleteNamespace(name: string): void;
  upsertPod(row: EntityRow): void;
  /** `key` is `namespace/name`. */
  deletePod(key: string): void;
  /** Adds or replaces what is not a pod. */
  upsertEntity(row: EntityRow): void;
  deleteEntity(kind: SubjectKind, key: string): void;
  /** What a user's own group consists of from now on; undefined: there is none. */
  setGroup(group: string, content: NamedContent | undefined): void;
  /** Adds or replaces the policy of this source UID. */
  upsertPolicy(policy: LoweredPolicy): void;
  deletePolicy(uid: string): void;
  /** Publishes what changed. The views below show what was published last, so call it before reading them after a change. */
  flush(): PolicyChanges;

  /** What an entity is selected for; undefined when it is not known. */
  usesOf(kind: SubjectKind, key: string): GroupUses | undefined;
  /** Whom selectors select, as members with addresses. */
  membersOf(selectors: readonly GroupSelector[]): readonly GroupMember[];
  /** Whether an entity is known and one of `selectors` selects it. */
  isMemberOf(selectors: readonly GroupSelector[], kind: SubjectKind, key: string): boolean;
  policy(name: string): PolicyView | undefined;
  policies(): IteratorObject<PolicyView>;
  addressGroup(name: string): AddressGroupView | undefined;
  addressGroups(): IteratorObject<AddressGroupView>;
  appliedToGroup(name: string): AppliedToGroupView | undefined;
  appliedToGroups(): IteratorObject<AppliedToGroupView>;
}

export function createPolicyEngine(): PolicyEngine {
  const inventory = new Inventory();
  const policies = new Map<string, PolicyEntry>();
  const byNamespaceLogging = new Map<string, Few<PolicyEntry>>();
  const namedContents = new Map<string, NamedContent>();
  const groups = new GroupRegistry(inventory, (group) => namedContents.get(group));
  const queue = {
    policies: [] as PolicyEntry[],
    audiences: [] as Audience[],
    addressGroups: [] as AddressGroup[],
    appliedToGroups: [] as AppliedToGroup[],
  };

  const look = {
    policy(entry: PolicyEntry): void {
      if (entry.queued) return;
      entry.queued = true;
      queue.policies.push(entry);
    },
    audience(audience: Audience): void {
      if (audience.queued) return;
      audience.queued = true;
      queue.audiences.push(audience);
    },
    addressGroup(group: AddressGroup): void {
      if (group.queued) return;
      group.queued = true;
      queue.addressGroups.push(group);
    },
    appliedToGroup(group: AppliedToGroup): void {
      if (group.queued) return;
      group.queued = true;
      queue.appliedToGroups.push(group);
    },
  };

  const use = (entry: PolicyEntry, audience: Audience | undefined, peers: readonly AddressGroup[]): void => {
    for (const each of [entry.audience, audience]) {
      if (each === undefined) continue;
      look.audience(each);
      for (const group of each.groups) look.appliedToGroup(group);
    }
    for (const group of entry.peers) look.addressGroup(group);
    for (const group of peers) look.addressGroup(group);
    entry.use(audience, peers);
    look.policy(entry);
  };

  const fileUnderLogging = (entry: PolicyEntry, namespace: string | undefined): void => {
    const before = entry.loggingOf;
    if (before === namespace) return;
    entry.loggingOf = namespace;
    if (before !== undefined && byNamespaceLogging.get(before)?.delete(entry) && byNamespaceLogging.get(before)?.size === 0)
      byNamespaceLogging.delete(before);
    if (namespace === undefined) return;
    let entries = byNamespaceLogging.get(namespace);
    if (entries === undefined) {
      entries = new Few();
      byNamespaceLogging.set(namespace, entries);
    }
    entries.add(entry);
  };
  const loggingMayDiffer = (namespace: string, change: () => void): void => {
    const before = inventory.isLogging(namespace);
    change();
    if (inventory.isLogging(namespace) === before) return;
    for (const entry of byNamespaceLogging.get(namespace) ?? []) {
      if (entry.row !== undefined) entry.row = withLogging(entry.row, !before);
      look.policy(entry);
    }
  };

  const nodeChanged = (node: string, isThere: boolean): void => {
    for (const group of groups.nodeChanged(node, isThere)) look.appliedToGroup(group);
  };

  /** Tells the groups that are published what became of an entity. */
  const tellGroups = (entity: Entity): void => {
    const before = entity.before ?? undefined;
    const wasSelected = before?.selectors ?? nothing;
    const isSelected = entity.gone ? nothing : inventory.selectorsOf(entity.labelSet);
    const still = isSelected === wasSelected ? undefined : new Set(isSelected);
    for (const selector of wasSelected) {
      const stays = !entity.gone && (still?.has(selector) ?? true);
      tellSelector(selector, entity, before?.row, stays ? entity.row : undefined);
      still?.delete(selector);
    }
    for (const selector of still ?? nothing) tellSelector(selector, entity, undefined, entity.row);
  };
  const tellSelector = (
    { peers, subjects, named }: Selector,
    entity: Entity,
    before: EntityRow | undefined,
    now: EntityRow | undefined,
  ): void => {
    if (peers?.published) {
      peers.entityChanged(entity, before, now);
      look.addressGroup(peers);
    }
    if (subjects?.published) {
      subjects.entityChanged(entity, before, now);
      look.appliedToGroup(subjects);
    }
    for (const group of named) {
      if (!group.published) continue;
      group.entityChanged(entity, before, now);
      if (group instanceof AddressGroup) look.addressGroup(group);
      else look.appliedToGroup(group);
    }
  };

  /** Spans follow one from the other: applied-to groups, audiences, then policies and address groups. */
  const updateSpans = (): void => {
    for (const group of queue.appliedToGroups) {
      group.update();
      if (group.span.touched) for (const audience of group.audiences) look.audience(audience);
    }
    for (const audience of queue.audiences) {
      if (!audience.update()) continue;
      for (const entry of audience.policies) look.policy(entry);
      for (const group of audience.peers) {
        if (group.published) group.audienceMoved(audience);
        look.addressGroup(group);
      }
    }
  };

  const settle = (): void => {
    for (const entry of queue.policies) {
      entry.queued = false;
      if (entry.row === undefined) policies.delete(entry.name);
    }
    for (const group of queue.addressGroups) {
      group.queued = false;
      group.settle();
      if (!group.used) groups.forgetAddressGroup(group);
    }
    for (const audience of queue.audiences) {
      audience.queued = false;
      audience.settle();
      if (audience.policies.size === 0) groups.forgetAudience(audience);
    }
    for (const group of queue.appliedToGroups) {
      group.queued = false;
      group.settle();
      if (!group.used) groups.forgetAppliedToGroup(group);
    }
    queue.policies = [];
    queue.addressGroups = [];
    queue.audiences = [];
    queue.appliedToGroups = [];
    inventory.settle();
    inventory.live = true;
  };

  return {
    upsertNamespace: (row) => loggingMayDiffer(row.name, () => inventory.upsertNamespace(row)),
    deleteNamespace: (name) => loggingMayDiffer(name, () => inventory.deleteNamespace(name)),
    upsertPod: (row) => inventory.upsert(row),
    deletePod: (key) => inventory.delete("Pod", key),
    upsertEntity(row) {
      const isNew = inventory.entity(row.kind, row.key) === undefined;
      inventory.upsert(row);
      if (isNew && row.kind === "Node") nodeChanged(row.key, true);
    },
    deleteEntity(kind, key) {
      const wasThere = inventory.entity(kind, key) !== undefined;
      inventory.delete(kind, key);
      if (wasThere && kind === "Node") nodeChanged(key, false);
    },
    setGroup(group, content) {
      if (content === undefined) namedContents.delete(group);
      else namedContents.set(group, content);
      for (const found of [groups.addressGroups.get(group), groups.appliedToGroups.get(group)]) if (found?.named) groups.changeNamed(found);
      const peers = groups.addressGroups.get(group);
      const subjects = groups.appliedToGroups.get(group);
      if (peers !== undefined) look.addressGroup(peers);
      if (subjects !== undefined) look.appliedToGroup(subjects);
    },
    upsertPolicy(lowered) {
      const { uid } = lowered.sourceRef;
      let entry = policies.get(uid);
      if (entry === undefined) {
        entry = new PolicyEntry(uid);
        policies.set(uid, entry);
      }
      fileUnderLogging(entry, lowered.loggingOf);
      const logging = lowered.loggingOf !== undefined && inventory.isLogging(lowered.loggingOf);
      const { row, subjects, peers } = publishPolicy(lowered, groups, logging);
      entry.row = row;
      use(entry, groups.audience(subjects), peers);
    },
    deletePolicy(uid) {
      const entry = policies.get(uid);
      if (entry === undefined) return;
      fileUnderLogging(entry, undefined);
      entry.row = undefined;
      use(entry, undefined, []);
    },
    flush() {
      for (const entity of inventory.changed) tellGroups(entity);
      updateSpans();
      const changes = {
        policies: published(queue.policies, (entry) => entry.publish()),
        addressGroups: published(queue.addressGroups, (group) => group.publish()),
        appliedToGroups: published(queue.appliedToGroups, (group) => group.publish()),
      };
      settle();
      return changes;
    },
    usesOf(kind, key) {
      const entity = inventory.entity(kind, key);
      if (entity === undefined) return undefined;
      const asPeer = new Set<AddressGroup>();
      const asSubject = new Set<AppliedToGroup>();
      for (const { peers, subjects, named } of inventory.selectorsOf(entity.labelSet)) {
        if (peers !== undefined) asPeer.add(peers);
        if (subjects !== undefined) asSubject.add(subjects);
        for (const group of named) if (group instanceof AddressGroup) asPeer.add(group);
        for (const group of named) if (group instanceof AppliedToGroup) asSubject.add(group);
      }
      const uses = (found: Iterable<AddressGroup | AppliedToGroup>): GroupUse[] =>
        [...found].map((group) => ({ group: group.name, policies: group.rows() }));
      return {
        asPeer: entity.row.peer() === undefined ? [] : uses(asPeer),
        asSubject: entity.row.isSubject ? uses(asSubject) : [],
      };
    },
    membersOf(asked) {
      const selectors = asked.map((selector) => inventory.selector(selector));
      const members: GroupMember[] = [];
      eachEntity(inventory, selectors, ({ row }) => {
        const member = row.peer();
        if (member !== undefined) members.push(member);
      });
      for (const selector of new Set(selectors)) if (!selector.used) inventory.forgetSelector(selector);
      return members;
    },
    isMemberOf(asked, kind, key) {
      const entity = inventory.entity(kind, key);
      if (entity?.row.peer() === undefined) return false;
      const selectors = asked.map((selector) => inventory.selector(selector));
      const found = selectors.some((selector) => selector.matches(entity.labelSet));
      for (const selector of new Set(selectors)) if (!selector.used) inventory.forgetSelector(selector);
      return found;
    },
    policy: (name) => withRow(policies.get(name)),
    policies: () =>
      policies
        .values()
        .map(withRow)
        .filter((view) => view !== undefined),
    addressGroup: (name) => groups.addressGroups.get(name),
    addressGroups: () => groups.addressGroups.values(),
    appliedToGroup: (name) => groups.appliedToGroups.get(name),
    appliedToGroups: () => groups.appliedToGroups.values(),
  };
}

const nothing: readonly Selector[] = Object.freeze([]);

/** In the order of the queue, without those of which there is nothing to tell. */
function published<Item, Change>(items: readonly Item[], publish: (item: Item) => Change | undefined): Change[] {
  const changes: Change[] = [];
  for (const item of items) {
    const change = publish(item);
    if (change !== undefined) changes.push(change);
  }
  return changes;
}

function withRow(entry: PolicyEntry | undefined): PolicyView | undefined {
  return entry?.row === undefined || entry.audience === undefined ? undefined : { row: entry.row, span: entry.audience.span };
}
