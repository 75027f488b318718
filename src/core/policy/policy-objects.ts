import type { ExternalEntity } from "#core/api/antrea/external-entity.ts";
import type { AntreaGroup } from "#core/api/antrea/group.ts";
import type { AntreaPolicy } from "#core/api/antrea/policy.ts";
import type { Tier } from "#core/api/antrea/tier.ts";
import type { AdminNetworkPolicy } from "#core/api/upstream/admin-network-policy.ts";
import type { ClusterNetworkPolicy } from "#core/api/upstream/cluster-network-policy.ts";
import type { GroupMember } from "#core/api/controlplane/index.ts";
import { type KubeObject, type Namespace, type NetworkPolicy, type Node, nameOfKey, type Pod, type Service } from "#lib/kube/index.ts";
import type { IpAddress } from "#lib/ip/index.ts";
import type { PolicyChanges } from "./changes.ts";
import { createPolicyEngine, type PolicyEngine } from "./engine.ts";
import { DependentPolicies, groupTopic, namespacesTopic, refusalTopic, tierTopic } from "./dependent-policies.ts";
import { GroupContents } from "./group-contents.ts";
import { lowerAdminNetworkPolicy } from "./lowering/admin-network-policy.ts";
import { lowerAntreaPolicy } from "./lowering/antrea.ts";
import { lowerClusterNetworkPolicy } from "./lowering/cluster-network-policy.ts";
import { blockHolds } from "./lowering/blocks.ts";
import { sameLabels } from "./inventory.ts";
import type { LoweringContext } from "./lowering/context.ts";
import type { GroupContent } from "./lowering/groups.ts";
import { KubernetesPolicySource, lowerKubernetesPolicy } from "./lowering/kubernetes.ts";
import type { Lowered } from "./lowering/lowered.ts";
import type { SubjectKind } from "./labels.ts";
import type { LoweredPolicy } from "./lowered-policy.ts";
import { largeFrom, partsOf } from "./policy-size.ts";
import { externalEntityRow, namespaceRow, nodeRow, podRow } from "./rows.ts";
import { finish, type Steps } from "./steps.ts";

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
  /** As {@link PolicyEngine.flushInSteps}. */
  flushInSteps(): Steps<PolicyChanges>;
  /** By `kind key`. */
  readonly troubles: ReadonlyMap<string, PolicyTrouble>;
  /** Policies of {@link largeFrom} parts and more with the number of these, by `kind key`. */
  readonly largePolicies: ReadonlyMap<string, number>;
  /** What a ClusterGroup or Group consists of, by its key; undefined while there is none. */
  groupContent(key: string): GroupContent | undefined;
  /** Its members beside blocks; undefined while there is no such group. */
  groupMembers(key: string): readonly GroupMember[] | undefined;
  /** Keys of the groups that a pod, an external entity or a node is in. */
  groupsOf(kind: SubjectKind, key: string): readonly string[];
  /** Keys of the groups with a block that holds this address. */
  groupsOfAddress(address: IpAddress): readonly string[];
}

export function createPolicyObjects(): PolicyObjects {
  const engine = createPolicyEngine();
  const tiers = new Map<string, number>();
  /** Namespaces that ask that clients be told of what their policies deny. */
  const refusing = new Set<string>();
  const troubles = new Map<string, PolicyTrouble>();
  const largePolicies = new Map<string, number>();
  const groups = new GroupContents((key, content) => {
    engine.setGroup(key, content);
    dependents.changed(groupTopic(key));
  });

  const setTrouble = (id: string, { problems, unrealizable }: PolicyTrouble): void => {
    if (problems.length === 0) troubles.delete(id);
    else troubles.set(id, { problems, ...(unrealizable && { unrealizable }) });
  };
  const setSize = (id: string, policy: LoweredPolicy | undefined): void => {
    const parts = policy === undefined ? 0 : partsOf(policy);
    if (parts >= largeFrom) largePolicies.set(id, parts);
    else if (largePolicies.size > 0) largePolicies.delete(id);
  };
  const dependents = new DependentPolicies({
    context: {
      tierPriority: (tier) => tiers.get(tier),
      group: (key) => groups.get(key),
      isRefusing: (namespace) => refusing.has(namespace),
      namespaces: () => engine.namespaces(),
    },
    lowered({ id, uid }, lowered) {
      setTrouble(id, lowered);
      setSize(id, lowered.policy);
      if (lowered.policy === undefined) engine.deletePolicy(uid);
      else engine.upsertPolicy(lowered.policy);
    },
  });
  const applyDependent = <Policy extends KubeObject>(
    kind: PolicyObjectKind,
    key: string,
    policy: Policy | undefined,
    lower: (policy: Policy, context: LoweringContext) => Lowered,
  ): void => {
    const id = `${kind} ${key}`;
    const former = dependents.get(id)?.uid;
    const uid = policy?.metadata.uid ?? "";
    // Deleted, or deleted and made anew while we were not listening: another UID is another policy.
    if (former !== undefined && (policy === undefined || former !== uid)) {
      engine.deletePolicy(former);
      troubles.delete(id);
      largePolicies.delete(id);
    }
    if (policy === undefined) dependents.delete(id);
    else dependents.set({ id, uid, lower: (context) => lower(policy, context) });
  };

  const applyNamespace = (key: string, object: Namespace | undefined): void => {
    const row = object === undefined ? undefined : namespaceRow(object);
    const before = engine.namespace(key);
    if (row === undefined) engine.deleteNamespace(key);
    else engine.upsertNamespace(row);
    const isRefusing = row?.refusing === true;
    if (isRefusing !== refusing.has(key)) {
      if (isRefusing) refusing.add(key);
      else refusing.delete(key);
      dependents.changed(refusalTopic(key));
    }
    // Policies whose rules follow namespaces are lowered whole, and look at names and labels alone.
    const isSame = row !== undefined && before !== undefined && sameLabels(before.labels, row.labels);
    if (!isSame) dependents.changed(namespacesTopic);
  };
  function* flushInSteps(): Steps<PolicyChanges> {
    groups.settle();
    yield* dependents.settle();
    return yield* engine.flushInSteps();
  }

  type Appliers = { readonly [Kind in PolicyObjectKind]: (key: string, object: PolicyObjectKinds[Kind] | undefined) => void };
  const appliers: Appliers = {
    Namespace: (key, object) => applyNamespace(key, object),
    Pod: (key, pod) => (pod === undefined ? engine.deletePod(key) : engine.upsertPod(podRow(pod))),
    Node: (key, node) => (node === undefined ? engine.deleteEntity("Node", key) : engine.upsertEntity(nodeRow(node))),
    ExternalEntity: (key, entity) =>
      entity === undefined ? engine.deleteEntity("ExternalEntity", key) : engine.upsertEntity(externalEntityRow(entity)),
    Service: (key, service) => groups.setService(key, service),
    Tier(key, tier) {
      if (tier?.spec === undefined) tiers.delete(key);
      else tiers.set(key, tier.spec.priority);
      dependents.changed(tierTopic(key));
    },
    ClusterGroup: (key, group) => groups.setGroup(key, group),
    Group: (key, group) => groups.setGroup(key, group),
    K8sNetworkPolicy(key, policy) {
      const id = `K8sNetworkPolicy ${key}`;
      if (policy === undefined) {
        const { namespace = "", name } = nameOfKey(key);
        engine.deletePolicyOf(namespace, name);
        troubles.delete(id);
        largePolicies.delete(id);
        return;
      }
      const lowered = lowerKubernetesPolicy(policy);
      if (lowered.problems.length > 0 || troubles.size > 0) setTrouble(id, lowered);
      setSize(id, lowered.policy);
      engine.upsertPolicy(lowered.policy, new KubernetesPolicySource(policy));
    },
    AntreaClusterNetworkPolicy: (key, policy) => applyDependent("AntreaClusterNetworkPolicy", key, policy, lowerAntreaPolicy),
    AntreaNetworkPolicy: (key, policy) => applyDependent("AntreaNetworkPolicy", key, policy, lowerAntreaPolicy),
    K8sClusterNetworkPolicy: (key, policy) => applyDependent("K8sClusterNetworkPolicy", key, policy, lowerClusterNetworkPolicy),
    AdminNetworkPolicy: (key, policy) =>
      applyDependent("AdminNetworkPolicy", key, policy, (object) => lowerAdminNetworkPolicy("AdminNetworkPolicy", object)),
    BaselineAdminNetworkPolicy: (key, policy) =>
      applyDependent("BaselineAdminNetworkPolicy", key, policy, (object) => lowerAdminNetworkPolicy("BaselineAdminNetworkPolicy", object)),
  };

  return {
    engine,
    troubles,
    largePolicies,
    apply: (kind, key, object) => appliers[kind](key, object),
    flush: () => finish(flushInSteps()),
    flushInSteps,
    groupContent(key) {
      groups.settle();
      return groups.get(key);
    },
    groupMembers(key) {
      groups.settle();
      const content = groups.get(key);
      return content === undefined ? undefined : engine.membersOf(content.selectors);
    },
    groupsOfAddress(address) {
      groups.settle();
      return groups
        .entries()
        .filter(([, { ipBlocks }]) => ipBlocks.some((block) => blockHolds(block, address)))
        .map(([group]) => group)
        .toArray();
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
