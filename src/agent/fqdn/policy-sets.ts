import { createHash } from "node:crypto";
import type { GroupMember, NetworkPolicy, PolicyRule } from "#core/api/controlplane/index.ts";
import type { FqdnPatch, FqdnSet } from "#core/fqdn/index.ts";
import { canonicalName } from "#lib/dns/index.ts";
import type { IpAddress } from "#lib/ip/index.ts";
import type { PolicyTarget } from "../policies/assembly.ts";

/** The names of rules, brought to what the compiler knows: each list of names is an address group of its own. */
export interface PolicySets {
  /** To be given the controller's objects instead of the compiler. */
  readonly target: PolicyTarget;
  /** Changes the groups by what an answer brought. */
  apply(patches: readonly FqdnPatch[]): void;
  /** Pods (`namespace/name`) that some rule with names applies to: their DNS is looked at. */
  subjects(): ReadonlySet<string>;
  /** How many lists of names there are. */
  readonly size: number;
}

export interface PolicySetsOptions {
  /** The compiler. */
  readonly target: PolicyTarget;
  /** Declares a list of names; its patches are the members it has already. */
  readonly setSet: (id: string, set: FqdnSet) => readonly FqdnPatch[];
  readonly removeSet: (id: string) => void;
  /** Called when {@link PolicySets.subjects} may have changed. */
  readonly subjectsChanged: () => void;
}

interface Use {
  readonly id: string;
  readonly patterns: readonly string[];
  readonly denies: boolean;
  /** Groups of the pods that the rule applies to. */
  readonly appliedTo: readonly string[];
}

/** Group names are made of the patterns, so that a restart gives the rules the same numbers in the switch. */
export function createPolicySets({ target, setSet, removeSet, subjectsChanged }: PolicySetsOptions): PolicySets {
  const usesOfPolicy = new Map<string, readonly Use[]>();
  /** What a list is declared as. */
  const declared = new Map<string, FqdnSet>();
  const podsOfGroup = new Map<string, Set<string>>();

  const apply = (patches: readonly FqdnPatch[]): void => {
    for (const { set, added, removed } of patches)
      target.patchAddressGroup({ name: set, uid: set, added: added.map(member), removed: removed.map(member) });
  };
  const allUses = (): Use[] => [...usesOfPolicy.values()].flat();
  const declare = (uses: readonly Use[]): void => {
    for (const { id, patterns } of uses) {
      const denies = allUses().some((use) => use.id === id && use.denies);
      const before = declared.get(id);
      if (before?.denies === denies) continue;
      if (before === undefined) target.setAddressGroup({ name: id, uid: id, members: [] });
      declared.set(id, { patterns, denies });
      apply(setSet(id, { patterns, denies }));
    }
  };
  const release = (uses: readonly Use[]): void => {
    const used = new Set(allUses().map(({ id }) => id));
    for (const { id } of uses) {
      if (used.has(id) || !declared.delete(id)) continue;
      removeSet(id);
      target.removeAddressGroup(id);
    }
  };
  const change = (name: string, uses: readonly Use[], handOn: () => void): void => {
    const before = usesOfPolicy.get(name) ?? [];
    if (uses.length > 0) usesOfPolicy.set(name, uses);
    else usesOfPolicy.delete(name);
    declare(uses);
    handOn();
    release(before);
    if (before.length + uses.length > 0) subjectsChanged();
  };
  const memberPods = (name: string, change: (pods: Set<string>) => void): void => {
    const pods = podsOfGroup.get(name) ?? new Set<string>();
    change(pods);
    podsOfGroup.set(name, pods);
    if (usesOfPolicy.size > 0) subjectsChanged();
  };

  return {
    apply,
    subjects() {
      const groups = new Set(allUses().flatMap(({ appliedTo }) => appliedTo));
      return new Set([...groups].flatMap((group) => [...(podsOfGroup.get(group) ?? [])]));
    },
    get size() {
      return declared.size;
    },
    target: {
      ...target,
      setPolicy(policy) {
        const uses = usesOf(policy);
        change(policy.name, uses, () => target.setPolicy(uses.length === 0 ? policy : withGroups(policy)));
      },
      removePolicy(name) {
        change(name, [], () => target.removePolicy(name));
      },
      setAppliedToGroup(group) {
        target.setAppliedToGroup(group);
        memberPods(group.name, (pods) => {
          pods.clear();
          for (const each of group.members) addPod(pods, each);
        });
      },
      patchAppliedToGroup(patch) {
        target.patchAppliedToGroup(patch);
        memberPods(patch.name, (pods) => {
          for (const { pod } of patch.removed) if (pod !== undefined) pods.delete(`${pod.namespace}/${pod.name}`);
          for (const each of patch.added) addPod(pods, each);
        });
      },
      removeAppliedToGroup(name) {
        target.removeAppliedToGroup(name);
        podsOfGroup.delete(name);
        if (usesOfPolicy.size > 0) subjectsChanged();
      },
    },
  };
}

function addPod(pods: Set<string>, { pod }: GroupMember): void {
  if (pod !== undefined) pods.add(`${pod.namespace}/${pod.name}`);
}

function usesOf({ appliedToGroups, rules }: NetworkPolicy): Use[] {
  return rules.flatMap((rule) => {
    if (rule.peer.fqdns.length === 0) return [];
    const appliedTo = appliedToGroups.length > 0 ? appliedToGroups : rule.appliedToGroups;
    const denies = rule.action === "Drop" || rule.action === "Reject";
    return [{ id: setName(rule.peer.fqdns), patterns: rule.peer.fqdns, denies, appliedTo }];
  });
}

/** The policy as the compiler takes it: names as one more group of peers. */
function withGroups(policy: NetworkPolicy): NetworkPolicy {
  const rules = policy.rules.map((rule): PolicyRule => {
    const { peer } = rule;
    if (peer.fqdns.length === 0) return rule;
    return { ...rule, peer: { ...peer, fqdns: [], addressGroups: [...peer.addressGroups, setName(peer.fqdns)] } };
  });
  return { ...policy, rules };
}

/** Equal lists of names are one group. */
function setName(patterns: readonly string[]): string {
  const text = [...new Set(patterns.map(canonicalName))].sort().join(" ");
  return `fqdn-${createHash("sha256").update(text).digest("hex").slice(0, 32)}`;
}

const member = (address: IpAddress): GroupMember => ({ ips: [address], ports: [] });
