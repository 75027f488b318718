import { isDeepStrictEqual } from "node:util";
import { type Group, type GroupMember, type GroupPatch, memberKey, type NetworkPolicy } from "#core/api/controlplane/index.ts";
import { createKeyedList, type KeyedList } from "#core/sets/index.ts";
import type { PolicyCompiler } from "#core/pipeline/policy/index.ts";

/** What policies are made of, as the controller's three streams deliver it, in any order among each other. */
export interface PolicyAssembly {
  setPolicy(policy: NetworkPolicy): void;
  removePolicy(name: string): void;
  policies(): NetworkPolicy[];
  readonly addressGroups: GroupAssembly;
  readonly appliedToGroups: GroupAssembly;
  /** Everything is exactly this from now on. What is equal to what is there is not touched. */
  replace(whole: Whole): void;
  /**
   * Tells that what came up to now is one state of the cluster: subjects that are still missing, or went away, have no pod on this node. True when that changed
   * something for the target.
   */
  settle(): boolean;
  /** Whether {@link PolicyAssembly.settle} would have something to do. */
  readonly isLoose: boolean;
  /** Whether everything is exactly this already. */
  equals(whole: Whole): boolean;
}

/** All policies with all groups. */
export interface Whole {
  readonly policies: readonly NetworkPolicy[];
  readonly addressGroups: readonly Group[];
  readonly appliedToGroups: readonly Group[];
}

export interface GroupAssembly {
  set(group: Group): void;
  patch(patch: GroupPatch): void;
  remove(name: string): void;
  /** Each is the same object as before where nothing of it changed, and so is the list. */
  groups(): readonly Group[];
}

/** Where complete policies go. */
export type PolicyTarget = Pick<
  PolicyCompiler,
  | "setPolicy"
  | "removePolicy"
  | "setAddressGroup"
  | "patchAddressGroup"
  | "removeAddressGroup"
  | "setAppliedToGroup"
  | "patchAppliedToGroup"
  | "removeAppliedToGroup"
>;

/**
 * Hands objects on in an order that never judges by half of a policy: a policy waits until every group that it names is there, its older
 * version staying in force; a group that went away is kept as long as a policy in force names it. A node is not told of subjects that have no
 * pod there, so that a policy may wait in vain: what belongs together is known to be complete when {@link PolicyAssembly.settle} says so.
 */
export function createPolicyAssembly(target: PolicyTarget): PolicyAssembly {
  const newest = new Map<string, NetworkPolicy>();
  const inForce = new Map<string, NetworkPolicy>();
  /** Policies by one of the groups that they lack. */
  const waiting = new Map<string, Set<string>>();
  const addressGroups = createGroups({
    set: target.setAddressGroup,
    patch: target.patchAddressGroup,
    remove: target.removeAddressGroup,
    arrived: (name) => retry(`peers ${name}`),
  });
  const appliedToGroups = createGroups({
    set: target.setAppliedToGroup,
    patch: target.patchAppliedToGroup,
    remove: target.removeAppliedToGroup,
    arrived: (name) => retry(`subjects ${name}`),
  });

  const firstMissing = (policy: NetworkPolicy, isWhole: boolean): string | undefined => {
    const peers = addressGroupsOf(policy).find((name) => !addressGroups.has(name));
    if (peers !== undefined) return `peers ${peers}`;
    if (isWhole) return undefined;
    const subjects = appliedToGroupsOf(policy).find((name) => !appliedToGroups.has(name));
    return subjects === undefined ? undefined : `subjects ${subjects}`;
  };
  const hold = (policy: NetworkPolicy, step: 1 | -1): void => {
    for (const name of new Set(addressGroupsOf(policy))) addressGroups.hold(name, step);
    for (const name of new Set(appliedToGroupsOf(policy))) appliedToGroups.hold(name, step);
  };
  const consider = (policy: NetworkPolicy, { isWhole = false } = {}): void => {
    const missing = firstMissing(policy, isWhole);
    if (missing !== undefined) {
      waiting.set(missing, (waiting.get(missing) ?? new Set<string>()).add(policy.name));
      return;
    }
    const before = inForce.get(policy.name);
    inForce.set(policy.name, policy);
    hold(policy, 1);
    target.setPolicy(policy);
    if (before !== undefined) hold(before, -1);
  };
  const retry = (group: string, options?: { readonly isWhole: boolean }): void => {
    const names = waiting.get(group) ?? [];
    waiting.delete(group);
    for (const name of names) {
      const policy = newest.get(name);
      if (policy !== undefined && inForce.get(name) !== policy) consider(policy, options);
    }
  };
  const missingSubjects = (): string[] => [...waiting.keys()].filter((group) => group.startsWith("subjects "));

  const setPolicy = (policy: NetworkPolicy): void => {
    if (isDeepStrictEqual(newest.get(policy.name), policy)) return;
    newest.set(policy.name, policy);
    consider(policy);
  };
  const removePolicy = (name: string): void => {
    newest.delete(name);
    const before = inForce.get(name);
    if (before === undefined) return;
    inForce.delete(name);
    target.removePolicy(name);
    hold(before, -1);
  };

  return {
    setPolicy,
    removePolicy,
    policies: () => [...newest.values()],
    addressGroups,
    appliedToGroups,
    replace({ policies, addressGroups: peers, appliedToGroups: subjects }) {
      // A policy finds what it names, and a group goes after those that name it.
      for (const group of peers) addressGroups.set(group);
      for (const group of subjects) appliedToGroups.set(group);
      for (const policy of policies) setPolicy(policy);
      const wanted = namesOf(policies);
      for (const name of [...newest.keys()]) if (!wanted.has(name)) removePolicy(name);
      addressGroups.keepOnly(namesOf(peers));
      appliedToGroups.keepOnly(namesOf(subjects));
    },
    get isLoose() {
      return appliedToGroups.isLoose || missingSubjects().length > 0;
    },
    settle() {
      const missing = missingSubjects();
      for (const group of missing) retry(group, { isWhole: true });
      return appliedToGroups.dropLeaving() || missing.length > 0;
    },
    equals({ policies, addressGroups: peers, appliedToGroups: subjects }) {
      return (
        policies.length === newest.size &&
        policies.every((policy) => isDeepStrictEqual(newest.get(policy.name), policy)) &&
        addressGroups.equals(peers) &&
        appliedToGroups.equals(subjects)
      );
    },
  };
}

const namesOf = (rows: readonly { readonly name: string }[]): ReadonlySet<string> => new Set(rows.map(({ name }) => name));

const addressGroupsOf = (policy: NetworkPolicy): readonly string[] => policy.rules.flatMap(({ peer }) => peer.addressGroups);
const appliedToGroupsOf = (policy: NetworkPolicy): readonly string[] => [
  ...policy.appliedToGroups,
  ...policy.rules.flatMap((rule) => rule.appliedToGroups),
];

interface GroupsOptions {
  readonly set: (group: Group) => void;
  readonly patch: (patch: GroupPatch) => void;
  readonly remove: (name: string) => void;
  /** Called when a group came that was not there. */
  readonly arrived: (name: string) => void;
}

interface HeldGroups extends GroupAssembly {
  has(name: string): boolean;
  /** Counts the policies in force that name the group. */
  hold(name: string, step: 1 | -1): void;
  /** Whether groups that went away are kept. */
  readonly isLoose: boolean;
  /** Removes those that went away, whoever names them; false when there is none. */
  dropLeaving(): boolean;
  /** Removes all others. */
  keepOnly(names: ReadonlySet<string>): void;
  equals(groups: readonly Group[]): boolean;
}

function createGroups({ set, patch, remove, arrived }: GroupsOptions): HeldGroups {
  /** `whole` is made when somebody asks, and stays the same object until the group changes. */
  const present = new Map<string, { readonly group: Group; readonly members: KeyedList<GroupMember>; whole: Group | undefined }>();
  const holders = new Map<string, number>();
  const leaving = new Set<string>();
  /** Of those that are not leaving, since the last change of any. */
  let listed: readonly Group[] | undefined;
  const has = (name: string): boolean => present.has(name) && !leaving.has(name);
  const drop = (name: string): void => {
    listed = undefined;
    leaving.delete(name);
    present.delete(name);
    remove(name);
  };
  const leave = (name: string): void => {
    if (!present.has(name)) return;
    listed = undefined;
    if (holders.has(name)) leaving.add(name);
    else drop(name);
  };
  const isSame = ({ name, uid, members }: Group): boolean => {
    const known = has(name) ? present.get(name) : undefined;
    return known !== undefined && known.group.uid === uid && known.members.equals(members);
  };
  return {
    has,
    set(group) {
      if (isSame(group)) return;
      const isNew = !has(group.name);
      listed = undefined;
      leaving.delete(group.name);
      const members = createKeyedList(memberKey);
      members.replace(group.members);
      present.set(group.name, { group, members, whole: undefined });
      set(group);
      if (isNew) arrived(group.name);
    },
    patch(change) {
      const found = present.get(change.name);
      if (found === undefined) return;
      found.members.change(change);
      found.whole = undefined;
      listed = undefined;
      patch(change);
    },
    remove: leave,
    get isLoose() {
      return leaving.size > 0;
    },
    dropLeaving() {
      const gone = [...leaving];
      for (const name of gone) drop(name);
      return gone.length > 0;
    },
    keepOnly(names) {
      for (const name of [...present.keys()]) if (!names.has(name)) leave(name);
    },
    equals: (groups) => groups.length === present.size - leaving.size && groups.every(isSame),
    hold(name, step) {
      const count = (holders.get(name) ?? 0) + step;
      if (count > 0) holders.set(name, count);
      else holders.delete(name);
      if (count === 0 && leaving.has(name)) drop(name);
    },
    groups() {
      if (listed !== undefined) return listed;
      listed = [...present]
        .filter(([name]) => !leaving.has(name))
        .map(([, found]) => (found.whole ??= { ...found.group, members: [...found.members.items()] }));
      return listed;
    },
  };
}
