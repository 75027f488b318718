import type { LabelSelector, Namespace, NetworkPolicy, NetworkPolicyPeer, NetworkPolicyPort, Pod } from "#lib/kube/index.ts";
import { Prefix } from "#lib/ip/index.ts";
import type { Random } from "#lib/runtime/index.ts";
import { podCidrs } from "./arithmetic-place.ts";
import type { World } from "./reference.ts";

/** Picks, from one source of chance. */
export function chooser(random: Random) {
  const below = (limit: number): number => random.below(limit);
  const fine = 1_000_000;
  const pick = <const Item>(items: readonly [Item, ...(readonly Item[])]): Item => items[below(items.length)] ?? items[0];
  return {
    below,
    pick,
    maybe: (probability: number): boolean => below(fine) < probability * fine,
    /** Between `from` and `to` items made by `make`. */
    some: <Item>(from: number, to: number, make: (index: number) => Item): Item[] =>
      Array.from({ length: from + below(to - from + 1) }, (_, index) => make(index)),
  };
}
export type Chooser = ReturnType<typeof chooser>;

const namespaceNames = ["x", "y", "z"] as const;
const nodeNames = ["node-1", "node-2"] as const;
/** Few keys, values and ports, so that selectors and rules meet what is there. */
const keys = ["app", "tier"] as const;
const values = ["a", "b", "c"] as const;
const portNumbers = [80, 81, 82] as const;
const portNames = ["web", "dns"] as const;
const protocols = ["TCP", "UDP", "SCTP"] as const;

/** A small cluster in which anything may be: odd labels, pods in every state, policies of every form, also overlapping and empty ones. */
export function randomWorld(choose: Chooser): World {
  const namespaces = namespaceNames.map(
    (name): Namespace => ({ apiVersion: "v1", kind: "Namespace", metadata: { name, labels: randomLabels(choose) } }),
  );
  const pods = choose.some(3, 9, (index) => randomPod(choose, index));
  const policies = choose.some(1, 7, (index) => randomPolicy(choose, index, pods));
  return { namespaces, pods, policies };
}

/** A world that differs from another in a few objects, as the next state of the same cluster. */
export function nextWorld(choose: Chooser, world: World): World {
  const pods = world.pods.map((pod) => (choose.maybe(0.2) ? { ...pod, metadata: { ...pod.metadata, labels: randomLabels(choose) } } : pod));
  const namespaces = world.namespaces.map((namespace) =>
    choose.maybe(0.2) ? { ...namespace, metadata: { ...namespace.metadata, labels: randomLabels(choose) } } : namespace,
  );
  const kept = world.policies
    .filter(() => choose.maybe(0.7))
    .map((policy, index) => (choose.maybe(0.3) ? randomPolicy(choose, index, pods, policy.metadata.name) : policy));
  const policies = [...kept, ...choose.some(0, 2, (index) => randomPolicy(choose, index, pods, `later-${index}`))];
  const named = new Map(policies.map((policy) => [`${policy.metadata.namespace}/${policy.metadata.name}`, policy]));
  return { namespaces, pods, policies: [...named.values()] };
}

export function randomLabels(choose: Chooser): Record<string, string> {
  return Object.fromEntries(keys.filter(() => choose.maybe(0.7)).map((key) => [key, choose.pick(values)]));
}

function randomPod(choose: Chooser, index: number): Pod {
  const node = choose.pick(nodeNames);
  const phase = choose.maybe(0.08) ? choose.pick(["Succeeded", "Failed"]) : "Running";
  const number = BigInt(index + 2);
  const hostNetwork = choose.maybe(0.06);
  const families = choose.maybe(0.85) ? ([4, 6] as const) : ([choose.pick([4, 6])] as const);
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { namespace: choose.pick(namespaceNames), name: `pod-${index}`, labels: randomLabels(choose) },
    spec: {
      nodeName: node,
      ...(hostNetwork ? { hostNetwork: true } : {}),
      containers: choose.some(1, 2, (container) => ({
        name: `c${container}`,
        ports: choose.some(0, 2, () => ({
          name: choose.pick(portNames),
          containerPort: choose.pick(portNumbers),
          ...(choose.maybe(0.3) ? {} : { protocol: choose.pick(protocols) }),
        })),
      })),
    },
    status: {
      phase,
      podIPs: families.map((family) => ({ ip: podCidrs[node][family].address.plus(hostNetwork ? 1n : number).toString() })),
    },
  };
}

function randomPolicy(choose: Chooser, index: number, pods: readonly Pod[], name = `policy-${index}`): NetworkPolicy {
  const rules = <Side extends "from" | "to">(side: Side) =>
    choose.some(0, 3, () => ({
      ...(choose.maybe(0.25) ? {} : { [side]: choose.some(0, 3, () => randomPeer(choose, pods)) }),
      ...(choose.maybe(0.35) ? {} : { ports: choose.some(0, 3, () => randomPort(choose)) }),
    }));
  return {
    apiVersion: "networking.k8s.io/v1",
    kind: "NetworkPolicy",
    metadata: { namespace: choose.pick(namespaceNames), name },
    spec: {
      podSelector: randomSelector(choose),
      ...(choose.maybe(0.2) ? {} : { policyTypes: choose.pick<readonly string[]>([["Ingress"], ["Egress"], ["Ingress", "Egress"]]) }),
      ...(choose.maybe(0.2) ? {} : { ingress: rules("from") }),
      ...(choose.maybe(0.3) ? {} : { egress: rules("to") }),
    },
  };
}

export function randomSelector(choose: Chooser): LabelSelector {
  if (choose.maybe(0.25)) return {};
  return {
    ...(choose.maybe(0.6) ? { matchLabels: Object.fromEntries(choose.some(0, 1, () => [choose.pick(keys), choose.pick(values)])) } : {}),
    ...(choose.maybe(0.5)
      ? {
          matchExpressions: choose.some(1, 2, () => {
            const operator = choose.pick(["In", "NotIn", "Exists", "DoesNotExist"]);
            const listed = operator === "In" || operator === "NotIn";
            return { key: choose.pick(keys), operator, ...(listed ? { values: choose.some(1, 2, () => choose.pick(values)) } : {}) };
          }),
        }
      : {}),
  };
}

function randomPeer(choose: Chooser, pods: readonly Pod[]): NetworkPolicyPeer {
  if (choose.maybe(0.35)) return { ipBlock: randomBlock(choose, pods.length) };
  const kind = choose.below(3);
  return {
    ...(kind === 1 ? {} : { podSelector: randomSelector(choose) }),
    ...(kind === 0 ? {} : { namespaceSelector: randomSelector(choose) }),
  };
}

/** Around the addresses of the first `pods` pods. */
export function randomBlock(choose: Chooser, pods: number): NonNullable<NetworkPolicyPeer["ipBlock"]> {
  const family = choose.pick([4, 6]);
  const bits = family === 4 ? 32 : 128;
  const near = (length: number): string => {
    const base = podCidrs[choose.pick(nodeNames)][family].address.plus(BigInt(1 + choose.below(pods + 2)));
    return new Prefix(base, length).toString();
  };
  const length = choose.pick([0, 8, bits - 8, bits - 3, bits - 2, bits - 1, bits]);
  return {
    cidr: near(length),
    ...(choose.maybe(0.5) ? { except: choose.some(1, 2, () => near(choose.pick([bits, bits - 1, bits - 2]))) } : {}),
  };
}

function randomPort(choose: Chooser): NetworkPolicyPort {
  const protocol = choose.maybe(0.2) ? {} : { protocol: choose.pick(protocols) };
  if (choose.maybe(0.2)) return protocol;
  if (choose.maybe(0.35)) return { ...protocol, port: choose.pick(portNames) };
  const port = choose.pick([1, 80, 81, 82]);
  return { ...protocol, port, ...(choose.maybe(0.35) ? { endPort: choose.pick([port, 82, 1024, 65_535]) } : {}) };
}
