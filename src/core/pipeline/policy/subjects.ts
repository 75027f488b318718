import type { Group, GroupMember, GroupPatch, NamedPort } from "#core/api/controlplane/index.ts";
import { memberKey } from "#core/api/controlplane/index.ts";

/** Which pods each applied-to group selects, and which groups select a pod. */
export interface Subjects {
  replace(group: Group): void;
  patch(patch: GroupPatch): void;
  remove(group: string): void;
  has(group: string): boolean;
  /** Pods of a group by {@link podKey}. */
  podsOf(group: string): Iterable<string>;
  groupsOf(pod: string): Iterable<string>;
  /** Ports that the pod's containers declare by name. */
  portsOf(pod: string): readonly NamedPort[];
  /** Takes the pods whose groups or ports changed since the last time. */
  takeChangedPods(): ReadonlySet<string>;
}

export const podKey = (pod: { readonly namespace: string; readonly name: string }): string => `${pod.namespace}/${pod.name}`;

export function createSubjects(): Subjects {
  const groups = new Map<string, Map<string, GroupMember>>();
  /** By pod: how it is listed in each of its groups. */
  const pods = new Map<string, Map<string, GroupMember>>();
  let changed = new Set<string>();

  const add = (group: string, key: string, member: GroupMember): void => {
    if (member.pod === undefined) return;
    const members = groups.get(group) ?? new Map<string, GroupMember>();
    groups.set(group, members.set(key, member));
    const pod = podKey(member.pod);
    pods.set(pod, (pods.get(pod) ?? new Map<string, GroupMember>()).set(group, member));
    changed.add(pod);
  };
  const drop = (group: string, key: string): void => {
    const member = groups.get(group)?.get(key);
    if (member?.pod === undefined) return;
    groups.get(group)?.delete(key);
    const pod = podKey(member.pod);
    // A pod whose ports changed is one member removed and another added, in either order.
    if (pods.get(pod)?.get(group) === member) pods.get(pod)?.delete(group);
    if (pods.get(pod)?.size === 0) pods.delete(pod);
    changed.add(pod);
  };

  return {
    replace({ name, members }) {
      const wanted = new Map(members.map((member) => [memberKey(member), member]));
      const present = groups.get(name) ?? new Map<string, GroupMember>();
      groups.set(name, present);
      for (const key of [...present.keys()]) if (!wanted.has(key)) drop(name, key);
      for (const [key, member] of wanted) if (!present.has(key)) add(name, key, member);
    },
    patch({ name, added, removed }) {
      for (const member of removed) drop(name, memberKey(member));
      for (const member of added) add(name, memberKey(member), member);
    },
    remove(group) {
      for (const key of [...(groups.get(group)?.keys() ?? [])]) drop(group, key);
      groups.delete(group);
    },
    has: (group) => groups.has(group),
    *podsOf(group) {
      for (const { pod } of groups.get(group)?.values() ?? []) if (pod !== undefined) yield podKey(pod);
    },
    groupsOf: (pod) => pods.get(pod)?.keys() ?? [],
    portsOf: (pod) => [...(pods.get(pod)?.values() ?? [])][0]?.ports ?? [],
    takeChangedPods() {
      const taken = changed;
      changed = new Set();
      return taken;
    },
  };
}
