import type { Group, GroupMember, NetworkPolicy, PolicyReference } from "#core/api/controlplane/index.ts";
import type { IpAddress } from "#lib/ip/index.ts";
import { AddressGroup } from "./address-group.ts";
import { AppliedToGroup } from "./applied-to-group.ts";
import type { PolicyChanges } from "./changes.ts";
import { FlushQueue, type Forgetting } from "./flush-queue.ts";
import { GroupRegistry, type NamedContent } from "./group-registry.ts";
import type { GroupSelector } from "./group-selector.ts";
import { Inventory } from "./inventory.ts";
import type { SubjectKind } from "./labels.ts";
import type { LoweredPolicy, PolicySource } from "./lowered-policy.ts";
import { audiencesOn, peersOf, policiesFor } from "./on-node.ts";
import { eachEntity } from "./members.ts";
import type { Entity, EntityBefore, NamespaceEntry, Selector } from "./places.ts";
import { PolicyContent, PolicyEntry } from "./policy-entry.ts";
import { PolicyTable } from "./policy-table.ts";
import { groupsOf } from "./policy-row.ts";
import type { EntityRow, NamespaceRow } from "./rows.ts";
import type { SpanView } from "./span.ts";
import { eachInSteps, finish, type Steps } from "./steps.ts";

/** A published row and the nodes that need it. */
export interface PolicyView {
  readonly name: string;
  /** Made anew each time. */
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
  /**
   * Adds or replaces the policy of this source UID. `source`, when given, lowers to the same at any time and is kept in its place. Policies that a namespace's
   * logging switch decides for are known by namespace and name too: one of another UID there is replaced.
   */
  upsertPolicy(policy: LoweredPolicy, source?: PolicySource): void;
  deletePolicy(uid: string): void;
  /** The same by the name of the source, of policies that a namespace's logging switch decides for. */
  deletePolicyOf(namespace: string, name: string): void;
  /** Publishes what changed. The views below show what was published last, so call it before reading them after a change. */
  flush(): PolicyChanges;
  /**
   * The same for a caller that has other things to do in between. Until the last step is through nothing may be told to the engine, and its views are none of any
   * moment.
   */
  flushInSteps(): Steps<PolicyChanges>;

  /** All that there are. */
  namespaces(): IteratorObject<NamespaceRow>;
  namespace(name: string): NamespaceRow | undefined;
  /** What an entity is selected for; undefined when it is not known. */
  usesOf(kind: SubjectKind, key: string): GroupUses | undefined;
  /** An entity as a member with addresses; undefined when it is not known, has no address or must not be a peer. */
  member(kind: SubjectKind, key: string): GroupMember | undefined;
  /** What has this address, by a look at every entity: for questions of people. */
  entitiesAt(address: IpAddress): readonly { readonly kind: SubjectKind; readonly key: string }[];
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
  /** What `node` needs of each, at the cost of what is on it and not of all there is. */
  policiesOn(node: string): IteratorObject<PolicyView>;
  addressGroupsOn(node: string): IteratorObject<AddressGroupView>;
  appliedToGroupsOn(node: string): IteratorObject<AppliedToGroupView>;
}

export function createPolicyEngine(): PolicyEngine {
  const inventory = new Inventory();
  const policies = new PolicyTable();
  const namedContents = new Map<string, NamedContent>();
  const groups = new GroupRegistry(inventory, (group) => namedContents.get(group));
  const queue = new FlushQueue();

  const use = (entry: PolicyEntry, content: PolicyContent | undefined): void => {
    queue.usesOf(entry.now);
    queue.usesOf(content);
    entry.use(content);
    queue.policy(entry);
  };
  /** The policy of this UID that is known, also as one deleted since the last flush; otherwise a new one. */
  const entryOf = ({ uid, name }: PolicyReference, home: NamespaceEntry | undefined): PolicyEntry => {
    const known = home === undefined ? policies.get(uid) : home.policies.get(name);
    if (known?.uid === uid) return known;
    // Deleted and made anew while nobody listened: another UID is another policy.
    if (known !== undefined) {
      if (known.now !== undefined) use(known, undefined);
      home?.policies.delete(known);
    }
    const made = new PolicyEntry(uid, name, home);
    policies.add(made);
    home?.policies.add(made);
    return made;
  };
  const forget: Forgetting = {
    policy(entry) {
      policies.delete(entry);
      const { home } = entry;
      if (home?.policies.get(entry.name) !== entry) return;
      home.policies.delete(entry);
      inventory.forgetIfUnused(home);
    },
    addressGroup: (group) => groups.forgetAddressGroup(group),
    audience: (audience) => groups.forgetAudience(audience),
    appliedToGroup: (group) => groups.forgetAppliedToGroup(group),
  };
  const lookAtSwitches = (namespace: NamespaceEntry | undefined): void => {
    const switches = switchesOf(namespace);
    for (const entry of namespace?.policies ?? []) {
      const { now } = entry;
      if (now === undefined || (now.isLogged === switches.isLogged && now.isRefusing === switches.isRefusing)) continue;
      use(entry, now.switched(switches));
    }
  };

  const nodeChanged = (node: string, isThere: boolean): void => {
    for (const group of groups.nodeChanged(node, isThere)) queue.appliedToGroup(group);
  };

  /** Tells the groups that are published what became of an entity. */
  const tellGroups = (entity: Entity, before: EntityBefore | null): void => {
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
    for (const group of [peers, subjects, ...named]) {
      if (!group?.published) continue;
      group.entityChanged(entity, before, now);
      if (group instanceof AddressGroup) queue.addressGroup(group);
      else queue.appliedToGroup(group);
    }
  };

  function* flushInSteps(): Steps<PolicyChanges> {
    yield* eachInSteps(inventory.changed, ([entity, before]) => tellGroups(entity, before));
    yield* queue.updateSpans();
    const changes = yield* queue.publish();
    yield* queue.settle(forget);
    inventory.settle();
    return changes;
  }

  return {
    upsertNamespace: (row) => lookAtSwitches(inventory.upsertNamespace(row)),
    deleteNamespace: (name) => lookAtSwitches(inventory.deleteNamespace(name)),
    upsertPod: (row) => inventory.upsert(row),
    deletePod: (key) => inventory.delete("Pod", key),
    upsertEntity(row) {
      const isNew = row.kind === "Node" && inventory.entity(row.kind, row.key) === undefined;
      inventory.upsert(row);
      if (isNew) nodeChanged(row.key, true);
    },
    deleteEntity(kind, key) {
      const wasThere = inventory.entity(kind, key) !== undefined;
      inventory.delete(kind, key);
      if (wasThere && kind === "Node") nodeChanged(key, false);
    },
    setGroup(group, content) {
      if (content === undefined) namedContents.delete(group);
      else namedContents.set(group, content);
      const { peers, subjects } = groups.namedGroup(group) ?? {};
      if (peers !== undefined) {
        groups.changeNamed(peers);
        queue.addressGroup(peers);
      }
      if (subjects !== undefined) {
        groups.changeNamed(subjects);
        queue.appliedToGroup(subjects);
      }
    },
    upsertPolicy(lowered, source) {
      const { sourceRef, loggingOf } = lowered;
      const home = loggingOf === undefined ? undefined : inventory.namespace(loggingOf);
      const entry = entryOf(sourceRef, home);
      const { subjects, peers } = groupsOf(lowered, groups);
      use(
        entry,
        new PolicyContent({ source: source ?? lowered, ...switchesOf(home), audience: groups.audience(subjects), subjects, peers }),
      );
    },
    deletePolicy(uid) {
      const entry = policies.get(uid);
      if (entry?.now !== undefined) use(entry, undefined);
    },
    deletePolicyOf(namespace, name) {
      const entry = inventory.knownNamespace(namespace)?.policies.get(name);
      if (entry?.now !== undefined) use(entry, undefined);
    },
    flush: () => finish(flushInSteps()),
    flushInSteps,
    namespaces: () => inventory.namespaceRows(),
    namespace: (name) => inventory.knownNamespace(name)?.row,
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
    member: (kind, key) => inventory.entity(kind, key)?.row.peer(),
    entitiesAt: (address) =>
      Iterator.from(inventory.allEntities())
        .filter(({ row }) => row.peer()?.ips.some((ip) => ip.equals(address)) ?? false)
        .map(({ row: { kind, key } }) => ({ kind, key }))
        .toArray(),
    membersOf(asked) {
      const selectors = asked.map((selector) => inventory.selector(selector));
      const members: GroupMember[] = [];
      eachEntity(selectors, ({ row }) => {
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
      const found = selectors.some((selector) => selector.contains(entity));
      for (const selector of new Set(selectors)) if (!selector.used) inventory.forgetSelector(selector);
      return found;
    },
    policy: (name) => viewOf(policies.get(name)),
    policies: () =>
      policies
        .values()
        .map(viewOf)
        .filter((view) => view !== undefined),
    addressGroup: (name) => groups.addressGroup(name),
    addressGroups: () => groups.allAddressGroups(),
    appliedToGroup: (name) => groups.appliedToGroup(name),
    appliedToGroups: () => groups.allAppliedToGroups(),
    policiesOn: (node) =>
      policiesFor(audiencesOn(groups.subjectsOn(node), node))
        .map(viewOf)
        .filter((view) => view !== undefined),
    addressGroupsOn: (node) => peersOf(policiesFor(audiencesOn(groups.subjectsOn(node), node))).values(),
    appliedToGroupsOn: (node) => groups.subjectsOn(node).values(),
  };
}

/** The namespace's annotations that its Kubernetes policies follow. */
const switchesOf = (namespace: NamespaceEntry | undefined) => ({
  isLogged: namespace?.row?.logging === true,
  isRefusing: namespace?.row?.refusing === true,
});

const nothing: readonly Selector[] = Object.freeze([]);

class View implements PolicyView {
  readonly name: string;
  private readonly content: PolicyContent;

  constructor(name: string, content: PolicyContent) {
    this.name = name;
    this.content = content;
  }

  get row(): NetworkPolicy {
    return this.content.row;
  }

  get span(): SpanView {
    return this.content.audience.span;
  }
}

function viewOf(entry: PolicyEntry | undefined): PolicyView | undefined {
  return entry?.now === undefined ? undefined : new View(entry.uid, entry.now);
}
