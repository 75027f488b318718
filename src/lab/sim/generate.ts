import type { AntreaPeer, AntreaPolicy, AntreaRule, AppliedTo } from "#core/api/antrea/policy.ts";
import type { NetworkPolicy, NetworkPolicyPeer, NetworkPolicyPort } from "#lib/kube/index.ts";
import { type Duration, seconds, seededRandom } from "#lib/runtime/index.ts";
import { controllerName } from "./control-plane.ts";
import { nodeName } from "./node/node.ts";
import type { Fault, Scenario, SimEvent, UserEvent } from "./scenario.ts";

export interface GenerateOptions {
  readonly seed: number;
  readonly nodes: number;
  readonly pods: number;
  readonly duration: Duration;
  /** Faults for each minute on average; 0 for ordinary events alone. */
  readonly faultsPerMinute: number;
  /** Default: one. */
  readonly controllers?: number;
}

/** Pods of an application talk mostly to each other: few label values, so that selectors meet what is there. */
const applications = ["web", "api", "db", "cache"] as const;
const tiers = ["front", "back"] as const;
const ports = [80, 81, 82] as const;
/** Beside the events of start, ordinary ones: one in two seconds, and one more for each 1 000 pods. */
const pauseBetween = (pods: number): Duration => seconds(2) / (1 + pods / 1_000);
/** Everything is made in this time at the start. */
const startTime = seconds(20);
const mostClusterPolicies = 3;
/** Where pods are more than this, peers are chosen as in large clusters. */
const smallPods = 500;
const namespaceCount = (pods: number): number => Math.max(2, Math.ceil(pods / 100));

type Spec = NonNullable<NetworkPolicy["spec"]>;
type ClusterSpec = NonNullable<AntreaPolicy["spec"]>;

/** A whole scenario from one seed: a cluster that fills, then pods and policies that come, change and go, and what goes wrong meanwhile. */
export function generateScenario({ seed, nodes, pods, duration, faultsPerMinute, controllers = 1 }: GenerateOptions): Scenario {
  const random = seededRandom(seed);
  const pick = <Item>(items: readonly Item[]): Item => items[random.below(items.length)] as Item;
  const namespaces = Array.from({ length: namespaceCount(pods) }, (_, index) => `team-${index + 1}`);
  const present = new Map<string, { readonly namespace: string; readonly name: string }>();
  const policies = new Map<string, { readonly namespace: string; readonly name: string }>();
  let number = 0;
  const labels = (): Record<string, string> => ({ app: pick(applications), ...(random.below(2) === 0 ? { tier: pick(tiers) } : {}) });
  const selector = (): { matchLabels: Record<string, string> } | Record<string, never> =>
    pick([() => ({}), () => ({ matchLabels: { app: pick(applications) } }), () => ({ matchLabels: { tier: pick(tiers) } })])();
  /** In a large cluster few policies open themselves to all of it; most name another namespace. */
  const neighbour = (): NetworkPolicyPeer => ({
    podSelector: selector(),
    namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": pick(namespaces) } },
  });
  const peer = (): NetworkPolicyPeer =>
    pods > smallPods && random.below(10) > 0
      ? pick<() => NetworkPolicyPeer>([() => ({ podSelector: selector() }), neighbour])()
      : anyPeer();
  const anyPeer = (): NetworkPolicyPeer =>
    pick<() => NetworkPolicyPeer>([
      () => ({ podSelector: selector() }),
      () => ({ podSelector: selector(), namespaceSelector: { matchLabels: { stage: pick(["test", "live"]) } } }),
      () => ({ namespaceSelector: {} }),
      () => ({ ipBlock: { cidr: "10.0.0.0/8", except: [`10.64.${1 + random.below(nodes)}.0/26`] } }),
    ])();
  const openPorts = (): NetworkPolicyPort[] =>
    pick([[], [{ protocol: "UDP", port: pick(ports) }], [{ protocol: "UDP", port: 80, endPort: 81 }]]);
  const spec = (): Spec => {
    const types = pick([["Ingress"], ["Egress"], ["Ingress", "Egress"]]);
    const rules = () =>
      Array.from({ length: 1 + random.below(2) }, () => ({ peers: Array.from({ length: 1 + random.below(2) }, peer), open: openPorts() }));
    return {
      podSelector: selector(),
      policyTypes: types,
      ...(types.includes("Ingress") ? { ingress: rules().map(({ peers, open }) => ({ from: peers, ports: open })) } : {}),
      ...(types.includes("Egress") ? { egress: rules().map(({ peers, open }) => ({ to: peers, ports: open })) } : {}),
    };
  };
  const createPod = (): UserEvent => {
    const pod = { namespace: pick(namespaces), name: `pod-${++number}` };
    present.set(`${pod.namespace}/${pod.name}`, pod);
    return { do: "create-pod", ...pod, node: nodeName(random.below(nodes)), labels: labels() };
  };
  const putPolicy = (): UserEvent => {
    const policy = { namespace: pick(namespaces), name: `policy-${++number}` };
    policies.set(`${policy.namespace}/${policy.name}`, policy);
    return { do: "put-policy", ...policy, spec: spec() };
  };
  const clusterPolicies = new Map<string, string>();
  /** Of Antrea: before and behind the policies of Kubernetes, or passing on to them. */
  const clusterSpec = (): ClusterSpec => {
    const tier = pick(["emergency", "securityops", "application", "baseline"]);
    const actions = tier === "baseline" ? ["Allow", "Drop"] : ["Allow", "Drop", "Drop", "Pass"];
    const scope = (): AppliedTo & AntreaPeer =>
      pick<() => AppliedTo & AntreaPeer>([
        () => ({ podSelector: { matchLabels: { app: pick(applications) } } }),
        () => ({ podSelector: { matchLabels: { app: pick(applications), tier: pick(tiers) } } }),
        () => ({
          namespaceSelector: { matchLabels: { stage: pick(["test", "live"]) } },
          podSelector: { matchLabels: { tier: pick(tiers) } },
        }),
      ])();
    const rules = (side: "from" | "to"): AntreaRule[] =>
      Array.from({ length: 1 + random.below(2) }, () => {
        const open = openPorts();
        return { action: pick(actions), [side]: [scope()], ...(open.length > 0 && { ports: open }) };
      });
    return {
      tier,
      priority: 1 + random.below(5),
      appliedTo: [scope()],
      ...(random.below(2) === 0 ? { ingress: rules("from") } : { egress: rules("to") }),
    };
  };
  const putClusterPolicy = (): UserEvent => {
    // Each may concern every node: there are few of them, as in real clusters.
    const full = clusterPolicies.size >= mostClusterPolicies;
    const name = full ? pick([...clusterPolicies.keys()]) : `cluster-policy-${++number}`;
    clusterPolicies.set(name, name);
    return { do: "put-cluster-policy", name, spec: clusterSpec() };
  };
  const taken = <Item>(from: Map<string, Item>, step: (item: Item, key: string) => UserEvent): UserEvent => {
    const keys = [...from.keys()];
    const key = pick(keys);
    const item = key === undefined ? undefined : from.get(key);
    return item === undefined ? createPod() : step(item, key);
  };
  const ordinary: readonly (() => UserEvent)[] = [
    createPod,
    () =>
      taken(present, (pod, key) => {
        present.delete(key);
        return { do: "delete-pod", ...pod };
      }),
    () => taken(present, (pod) => ({ do: "label-pod", ...pod, labels: labels() })),
    () => taken(present, (pod) => ({ do: "label-pod", ...pod, labels: labels() })),
    () => ({ do: "label-namespace", namespace: pick(namespaces), labels: { stage: pick(["test", "live"]) } }),
    putPolicy,
    () => taken(policies, (policy) => ({ do: "put-policy", ...policy, spec: spec() })),
    () =>
      taken(policies, (policy, key) => {
        policies.delete(key);
        return { do: "delete-policy", ...policy };
      }),
    putClusterPolicy,
    () =>
      taken(clusterPolicies, (name) => {
        clusterPolicies.delete(name);
        return { do: "delete-cluster-policy", name };
      }),
  ];
  const events: SimEvent[] = namespaces.map((namespace) => ({
    at: 0,
    do: "label-namespace",
    namespace,
    labels: { stage: pick(["test", "live"]) },
  }));
  for (let count = 0; count < pods; count++) events.push({ at: seconds(1) + random.below(startTime), ...createPod() });
  for (let count = 0; count < namespaces.length * 2; count++) events.push({ at: seconds(1) + random.below(startTime), ...putPolicy() });
  for (let count = 0; count < 2; count++) events.push({ at: seconds(1) + random.below(startTime), ...putClusterPolicy() });
  // What comes later may be about what was made at the start: the order of the list is kept where times are equal.
  for (let at = startTime + seconds(5); at < duration; at += random.below(2 * pauseBetween(pods)) + 1)
    events.push({ at, ...pick(ordinary)() });
  const chance = seededRandom(seed ^ 0x5bd1e995);
  if (faultsPerMinute > 0)
    for (let at = startTime + seconds(5); at < duration; at += chance.below((2 * seconds(60)) / faultsPerMinute) + 1)
      events.push({ at, ...randomFault(chance, { nodes, controllers }) });
  const replicas = controllers === 1 ? {} : { controllers };
  return { seed, nodes, ...replicas, duration, events: events.toSorted((one, other) => one.at - other.at) };
}

function randomFault(
  random: ReturnType<typeof seededRandom>,
  { nodes, controllers }: { readonly nodes: number; readonly controllers: number },
): Fault {
  const between = (least: Duration, most: Duration): Duration => least + random.below(most - least + 1);
  const node = nodeName(random.below(nodes));
  // Where there are several controllers, it is them that are to be looked at.
  const several = controllers > 1;
  const controller = several ? controllerName(random.below(controllers)) : "controller";
  const host = random.below(several ? 2 : 4) === 0 ? controller : node;
  const kinds: readonly (() => Fault)[] = [
    () => ({ do: "kill", of: host, for: between(200, seconds(8)) }),
    () => ({ do: "kill", of: node, for: between(200, seconds(3)) }),
    () => ({ do: "pause", of: host, for: between(500, seconds(15)) }),
    () => ({ do: "cut", host: random.below(3) === 0 ? "kubernetes" : host }),
    () => ({ do: "isolate", host, for: between(seconds(1), seconds(60)) }),
    () => ({ do: "lose", segments: between(1, 100), for: between(seconds(2), seconds(15)) }),
    () => ({ do: "slow-api", delay: between(10, seconds(2)), failing: random.below(400), for: between(seconds(2), seconds(15)) }),
    () => ({ do: "restart-api" }),
    () => ({ do: "fill-disk", node, for: between(seconds(1), seconds(30)) }),
    () => ({ do: "skew", node, by: between(-seconds(3_600), seconds(3_600)), for: between(seconds(5), seconds(60)) }),
    () => ({ do: "lose-database", node, for: between(200, seconds(10)) }),
    () => ({ do: "restart-switch", node }),
    ...(several ? [() => ({ do: "fall-behind" as const, of: controller, for: between(seconds(1), seconds(50)) })] : []),
  ];
  return (kinds[random.below(kinds.length)] as () => Fault)();
}
