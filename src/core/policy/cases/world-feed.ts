import { type IpAddress, parseAddress } from "#lib/ip/index.ts";
import { keyOf } from "#lib/kube/index.ts";
import { type Frontend, resolveService } from "#core/services/index.ts";
import type { PolicyChanges } from "../changes.ts";
import { createPolicyObjects, type PolicyObjectKind, type PolicyObjectKinds } from "../index.ts";
import { endpointSlicesOf } from "./endpoint-slices.ts";
import type { World } from "./reference.ts";

/** What a node is told of a world. */
export interface FedNode {
  readonly name: string;
  /** Makes the pods of the node exactly these, each with its addresses. */
  setPods(pods: ReadonlyMap<string, readonly IpAddress[]>): void;
  /** Makes the Services exactly these, each with its frontends. */
  setServices(services: ReadonlyMap<string, readonly Frontend[]>): void;
  /** Takes what the engine published for the node. */
  deliver(changes: PolicyChanges): void;
}

/** The engine, which tells nodes of one world after another what concerns them. */
export interface WorldFeed {
  /** Tells the nodes all that `world` changes. */
  become(world: World): void;
}

export function createWorldFeed(nodes: readonly FedNode[]): WorldFeed {
  const objects = createPolicyObjects();
  /** What the engine has, by kind and key. */
  let present: ReadonlyMap<string, () => void> = new Map();
  return {
    become(world) {
      const { pods, services = [] } = world;
      const now = new Map<string, () => void>();
      const give = <Kind extends PolicyObjectKind>(kind: Kind, given: readonly PolicyObjectKinds[Kind][] = []): void => {
        for (const object of given) {
          const key = keyOf(object);
          now.set(`${kind} ${key}`, () => objects.apply(kind, key, undefined));
          objects.apply(kind, key, object);
        }
      };
      give(
        "K8sNetworkPolicy",
        world.policies.map((policy) => ({ ...policy, metadata: { ...policy.metadata, uid: keyOf(policy) } })),
      );
      const [ofClusters, ofNamespaces] = [undefined, "any"].map((scope) =>
        (world.antreaPolicies ?? []).filter(({ metadata }) => (metadata.namespace === undefined) === (scope === undefined)),
      );
      give("AntreaClusterNetworkPolicy", ofClusters);
      give("AntreaNetworkPolicy", ofNamespaces);
      give("K8sClusterNetworkPolicy", world.clusterNetworkPolicies);
      give("AdminNetworkPolicy", world.adminNetworkPolicies);
      give("BaselineAdminNetworkPolicy", world.baselineAdminNetworkPolicies);
      give("Tier", world.tiers);
      give("ClusterGroup", world.clusterGroups);
      give("Group", world.groups);
      give("Namespace", world.namespaces);
      give("Service", services);
      give("Node", world.nodes);
      give("Pod", pods);
      for (const [name, remove] of present) if (!now.has(name)) remove();
      present = now;
      const changes = objects.flush();
      for (const node of nodes) {
        node.deliver(changes);
        node.setPods(podsOn(node.name, world));
        node.setServices(
          new Map(
            services.map((service) => [
              keyOf(service),
              resolveService(service, endpointSlicesOf(service, pods), { node: node.name }).frontends,
            ]),
          ),
        );
      }
    },
  };
}

/** Pods that have a port on the node, by `namespace/name`, and their addresses. */
function podsOn(node: string, { pods }: World): ReadonlyMap<string, readonly IpAddress[]> {
  const local = pods.filter(
    ({ spec, status }) =>
      spec.nodeName === node && spec.hostNetwork !== true && status?.phase !== "Succeeded" && status?.phase !== "Failed",
  );
  return new Map(local.map((pod) => [keyOf(pod), (pod.status?.podIPs ?? []).map(({ ip }) => parseAddress(ip))]));
}
