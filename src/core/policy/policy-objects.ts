import type { ExternalEntity } from "#core/api/antrea/external-entity.ts";
import type { AntreaGroup } from "#core/api/antrea/group.ts";
import type { AntreaPolicy } from "#core/api/antrea/policy.ts";
import type { Tier } from "#core/api/antrea/tier.ts";
import type { AdminNetworkPolicy } from "#core/api/upstream/admin-network-policy.ts";
import type { ClusterNetworkPolicy } from "#core/api/upstream/cluster-network-policy.ts";
import type { GroupMember } from "#core/api/controlplane/index.ts";
import type { KubeObject, Namespace, NetworkPolicy, Node, Pod, Service } from "#lib/kube/index.ts";
import type { PolicyChanges } from "./changes.ts";
import { createPolicyEngine, type PolicyEngine } from "./engine.ts";
import { GroupContents } from "./group-contents.ts";
import { lowerAdminNetworkPolicy } from "./lowering/admin-network-policy.ts";
import { lowerAntreaPolicy } from "./lowering/antrea.ts";
import { lowerClusterNetworkPolicy } from "./lowering/cluster-network-policy.ts";
import type { LoweringContext } from "./lowering/context.ts";
import type { GroupContent } from "./lowering/groups.ts";
import { lowerKubernetesPolicy } from "./lowering/kubernetes.ts";
import type { Lowered } from "./lowering/lowered.ts";
import { externalEntityRow, type NamespaceRow, namespaceRow, nodeRow, podRow } from "./rows.ts";

/** The kinds of objects that decide what policies do, by what each is called here. */
export interface PolicyObjectKinds {
  readonly Namespace: Namespace;
  readonly Pod: Pod;
  readonly Node: Node;
  readonly Service: Service;
  readonly ExternalEntity: ExternalEntity;
  readonly Tier: Tier;
  readonly ClusterGroup: AntreaGroup;
  readonly Group: AntreaGroup;
  readonly K8sNetworkPolicy: NetworkPolicy;
  readonly AntreaClusterNetworkPolicy: AntreaPolicy;
  readonly AntreaNetworkPolicy: AntreaPolicy;
  readonly K8sClusterNetworkPolicy: ClusterNetworkPolicy;
  readonly AdminNetworkPolicy: AdminNetworkPolicy;
  readonly BaselineAdminNetworkPolicy: AdminNetworkPolicy;
}
export type PolicyObjectKind = keyof PolicyObjectKinds;

/** What is wrong with a policy that got past validation. */
export interface PolicyTrouble {
  /** Parts that match nothing, or fail closed. */
  readonly problems: readonly string[];
  /** Why the whole of it cannot be enforced at present. */
  readonly unrealizable?: NonNullable<Lowered["unrealizable"]>;
}

/** The engine with objects of the API for its input: what an object means where it depends on others follows those. */
export interface PolicyObjects {
  readonly engine: PolicyEngine;
  /** `key` is `namespace/name`, or the name of what has no namespace; undefined: it is gone. */
  apply<Kind extends PolicyObjectKind>(kind: Kind, key: string, object: PolicyObjectKinds[Kind] | undefined): void;
  /** As {@link PolicyEngine.flush}. */
  flush(): PolicyChanges;
  /** By `kind key`. */
  readonly troubles: ReadonlyMap<string, PolicyTrouble>;
  /** What a ClusterGroup or Group consists of, by its key; undefined while there is none. */
  groupContent(key: string): GroupContent | undefined;
  /** Its members beside blocks; undefined while there is no such group. */
  groupMembers(key: string): readonly GroupMember[] | undefined;
  /** Keys of the groups that a pod or external entity is in. */
  groupsOf(kind: "Pod" | "ExternalEntity", key: string): readonly string[];
}

/** A policy whose meaning depends on other objects. */
interface Dependent {
  readonly uid: string;
  readonly lower: (context: LoweringContext) => Lowered;
  /** What it asked for when it was lowered last. */
  asked: Set<string>;
}

const namespacesToken = "namespaces";

export function createPolicyObjects(): PolicyObjects {
  const engine = createPolicyEngine();
  const tiers = new Map<string, number>();
  const namespaces = new Map<string, NamespaceRow>();
  const troubles = new Map<string, PolicyTrouble>();
  const uids = new Map<string, string>();
  const dependents = new Map<string, Dependent>();
  const askers = new Map<string, Set<string>>();
  const stale = new Set<string>();

  const changed = (token: string): void => {
    for (const id of askers.get(token) ?? []) stale.add(id);
  };
  const groups = new GroupContents((key, content) => {
    engine.setGroup(key, content);
    changed(`group/${key}`);
  });

  const setTrouble = (id: string, { problems, unrealizable }: PolicyTrouble): void => {
    if (problems.length === 0) troubles.delete(id);
    else troubles.set(id, { problems, ...(unrealizable && { unrealizable }) });
  };
  const forgetAsked = (id: string, asked: Iterable<string>): void => {
    for (const token of asked) {
      const ids = askers.get(token);
      if (ids?.delete(id) && ids.size === 0) askers.delete(token);
    }
  };
  const relower = (id: string): void => {
    const dependent = dependents.get(id);
    if (dependent === undefined) return;
    const asked = new Set<string>();
    const lowered = dependent.lower({
      tierPriority(tier) {
        asked.add(`tier/${tier}`);
        return tiers.get(tier);
      },
      group(key) {
        asked.add(`group/${key}`);
        return groups.get(key);
      },
      namespaces() {
        asked.add(namespacesToken);
        return namespaces.values();
      },
    });
    forgetAsked(id, dependent.asked);
    dependent.asked = asked;
    for (const token of asked) {
      const ids = askers.get(token);
      if (ids === undefined) askers.set(token, new Set([id]));
      else ids.add(id);
    }
    setTrouble(id, lowered);
    if (lowered.policy === undefined) engine.deletePolicy(dependent.uid);
    else engine.upsertPolicy(lowered.policy);
  };

  const removePolicy = (id: string): void => {
    const uid = uids.get(id);
    if (uid !== undefined) engine.deletePolicy(uid);
    uids.delete(id);
    troubles.delete(id);
    forgetAsked(id, dependents.get(id)?.asked ?? []);
    dependents.delete(id);
    stale.delete(id);
  };
  /** Deleted, or deleted and made anew while we were not listening: another UID is another policy. */
  const keepUid = (id: string, { metadata }: KubeObject): string => {
    const { uid = "" } = metadata;
    if (uids.has(id) && uids.get(id) !== uid) removePolicy(id);
    uids.set(id, uid);
    return uid;
  };
  const setDependent = (id: string, policy: KubeObject, lower: Dependent["lower"]): void => {
    const uid = keepUid(id, policy);
    dependents.set(id, { uid, lower, asked: dependents.get(id)?.asked ?? new Set() });
    stale.add(id);
  };

  const applyNamespace = (key: string, object: Namespace | undefined): void => {
    if (object === undefined) {
      namespaces.delete(key);
      engine.deleteNamespace(key);
    } else {
      const row = namespaceRow(object);
      namespaces.set(key, row);
      engine.upsertNamespace(row);
    }
    changed(namespacesToken);
  };
  const settle = (): void => {
    groups.settle();
    for (const id of stale) relower(id);
    stale.clear();
  };

  type Appliers = { readonly [Kind in PolicyObjectKind]: (id: string, key: string, object: PolicyObjectKinds[Kind] | undefined) => void };
  const appliers: Appliers = {
    Namespace: (_id, key, object) => applyNamespace(key, object),
    Pod: (_id, key, pod) => (pod === undefined ? engine.deletePod(key) : engine.upsertPod(podRow(pod))),
    Node: (_id, key, node) => (node === undefined ? engine.deleteEntity("Node", key) : engine.upsertEntity(nodeRow(node))),
    ExternalEntity: (_id, key, entity) =>
      entity === undefined ? engine.deleteEntity("ExternalEntity", key) : engine.upsertEntity(externalEntityRow(entity)),
    Service: (_id, key, service) => groups.setService(key, service),
    Tier(_id, key, tier) {
      if (tier?.spec === undefined) tiers.delete(key);
      else tiers.set(key, tier.spec.priority);
      changed(`tier/${key}`);
    },
    ClusterGroup: (_id, key, group) => groups.setGroup(key, group),
    Group: (_id, key, group) => groups.setGroup(key, group),
    K8sNetworkPolicy(id, _key, policy) {
      if (policy === undefined) return removePolicy(id);
      keepUid(id, policy);
      const lowered = lowerKubernetesPolicy(policy);
      setTrouble(id, lowered);
      engine.upsertPolicy(lowered.policy);
    },
    AntreaClusterNetworkPolicy(id, _key, policy) {
      if (policy === undefined) return removePolicy(id);
      setDependent(id, policy, (context) => lowerAntreaPolicy(policy, context));
    },
    AntreaNetworkPolicy(id, _key, policy) {
      if (policy === undefined) return removePolicy(id);
      setDependent(id, policy, (context) => lowerAntreaPolicy(policy, context));
    },
    K8sClusterNetworkPolicy(id, _key, policy) {
      if (policy === undefined) return removePolicy(id);
      setDependent(id, policy, () => lowerClusterNetworkPolicy(policy));
    },
    AdminNetworkPolicy(id, _key, policy) {
      if (policy === undefined) return removePolicy(id);
      setDependent(id, policy, () => lowerAdminNetworkPolicy("AdminNetworkPolicy", policy));
    },
    BaselineAdminNetworkPolicy(id, _key, policy) {
      if (policy === undefined) return removePolicy(id);
      setDependent(id, policy, () => lowerAdminNetworkPolicy("BaselineAdminNetworkPolicy", policy));
    },
  };

  return {
    engine,
    troubles,
    apply: (kind, key, object) => appliers[kind](`${kind} ${key}`, key, object),
    flush() {
      settle();
      return engine.flush();
    },
    groupContent(key) {
      groups.settle();
      return groups.get(key);
    },
    groupMembers(key) {
      groups.settle();
      const content = groups.get(key);
      return content === undefined ? undefined : engine.membersOf(content.selectors);
    },
    groupsOf(kind, key) {
      groups.settle();
      return groups
        .entries()
        .filter(([, { selectors }]) => engine.isMemberOf(selectors, kind, key))
        .map(([group]) => group)
        .toArray();
    },
  };
}
