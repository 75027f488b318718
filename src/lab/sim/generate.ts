import type { NetworkPolicy, NetworkPolicyPeer } from "#lib/kube/index.ts";
import { type Duration, formatDuration, seconds, seededRandom } from "#lib/runtime/index.ts";
import { controllerName } from "./control-plane.ts";
import { firstPods } from "./node/addresses.ts";
import { nodeName } from "./node/node.ts";
import { applications, ownTier, positions, randomSpecs, stages } from "./random-specs.ts";
import type { Fault, Scenario, SimEvent, UserEvent } from "./scenario.ts";

export interface GenerateOptions {
  readonly seed: number;
  readonly nodes: number;
  readonly pods: number;
  readonly duration: Duration;
  /** In which everything is made; events and faults begin 5 s behind it. Default: 20 s. */
  readonly startTime?: Duration;
  /** Faults for each minute on average; 0 for ordinary events alone. */
  readonly faultsPerMinute: number;
  /** Default: one. */
  readonly controllers?: number;
}

/** Beside the events of start, ordinary ones: one in two seconds, and one more for each 1 000 pods. */
const pauseBetween = (pods: number): Duration => seconds(2) / (1 + pods / 1_000);
const defaultStartTime = seconds(20);
/** Each may concern every node: there are few of them, as in real clusters. */
const mostClusterPolicies = 3;
const mostUpstreamPolicies = 2;
const mostClusterGroups = 2;
/** And of what belongs to a namespace, for each of them. */
const mostOfNamespace = 2;
/** Where pods are more than this, peers are chosen as in large clusters. */
const smallPods = 500;
const namespaceCount = (pods: number): number => Math.max(2, Math.ceil(pods / 100));

/** What repeats a run of it. */
export function simCommand({
  seed,
  nodes,
  pods,
  duration,
  startTime = defaultStartTime,
  faultsPerMinute,
  controllers = 1,
}: GenerateOptions): string {
  const replicas = controllers === 1 ? "" : ` --controllers ${controllers}`;
  const start = startTime === defaultStartTime ? "" : ` --start ${formatDuration(startTime)}`;
  return `antctl lab sim --nodes ${nodes} --pods ${pods}${replicas} --seed ${seed}${start} --duration ${formatDuration(duration)} --faults ${faultsPerMinute}`;
}

type Deleting = Extract<UserEvent["do"], `delete-${string}`>;
type Spec = NonNullable<NetworkPolicy["spec"]>;

/** A whole scenario from one seed: a cluster that fills, then pods and policies that come, change and go, and what goes wrong meanwhile. */
export function generateScenario(options: GenerateOptions): Scenario {
  const { seed, nodes, pods, duration, startTime = defaultStartTime, faultsPerMinute, controllers = 1 } = options;
  const random = seededRandom(seed);
  const pick = <Item>(items: readonly Item[]): Item => items[random.below(items.length)] as Item;
  const namespaces = Array.from({ length: namespaceCount(pods) }, (_, index) => `team-${index + 1}`);
  const present = new Map<string, { readonly namespace: string; readonly name: string }>();
  const policies = new Map<string, { readonly namespace: string; readonly name: string }>();
  let number = 0;
  const labels = (): Record<string, string> => ({ app: pick(applications), ...(random.below(2) === 0 ? { tier: pick(positions) } : {}) });
  /** Keys of what there is, by kind: `namespace/name`, or a name alone. */
  const groups = new Set<string>();
  const clusterGroups = new Set<string>();
  const services = new Set<string>();
  const antreaPolicies = new Set<string>();
  const clusterPolicies = new Set<string>();
  const upstreamPolicies = new Set<string>();
  const namesIn = (keys: ReadonlySet<string>, namespace: string): string[] =>
    [...keys].filter((key) => key.startsWith(`${namespace}/`)).map((key) => key.slice(namespace.length + 1));
  const specs = randomSpecs({
    random,
    nodes,
    present: {
      namespaces,
      services: (namespace) => namesIn(services, namespace),
      groups: (namespace) => namesIn(groups, namespace),
      clusterGroups: () => [...clusterGroups],
    },
  });
  const { selector, openPorts } = specs;
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
      () => ({ podSelector: selector(), namespaceSelector: { matchLabels: { stage: pick(stages) } } }),
      () => ({ namespaceSelector: {} }),
      () => ({ ipBlock: { cidr: "10.0.0.0/8", except: [firstPods(random.below(nodes))[0]] } }),
    ])();
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
  /** A new one, or, when there are so many, one of them anew. */
  const named = (keys: Set<string>, most: number, prefix: string, home = ""): string => {
    const present = namesIn(keys, home);
    const all = home === "" ? [...keys] : present;
    const name = all.length >= most ? pick(all) : `${prefix}-${++number}`;
    keys.add(home === "" ? name : `${home}/${name}`);
    return name;
  };
  const putClusterPolicy = (): UserEvent => ({
    do: "put-cluster-policy",
    name: named(clusterPolicies, mostClusterPolicies, "cluster-policy"),
    spec: specs.clusterPolicy(),
  });
  /** Now and then a namesake of one of Antrea's: only their groups tell the two apart. */
  const putUpstreamPolicy = (): UserEvent => {
    const namesake = upstreamPolicies.size < mostUpstreamPolicies && random.below(2) === 0 ? pick([...clusterPolicies]) : undefined;
    const name = namesake ?? named(upstreamPolicies, mostUpstreamPolicies, "upstream-policy");
    upstreamPolicies.add(name);
    return { do: "put-upstream-cluster-policy", name, spec: specs.upstreamClusterPolicy() };
  };
  const putAntreaPolicy = (namespace = pick(namespaces)): UserEvent => ({
    do: "put-antrea-policy",
    namespace,
    name: named(antreaPolicies, mostOfNamespace, "antrea-policy", namespace),
    spec: specs.policy(namespace),
  });
  const putClusterGroup = (): UserEvent => {
    const name = named(clusterGroups, mostClusterGroups, "cluster-group");
    return { do: "put-cluster-group", name, spec: specs.clusterGroup(name) };
  };
  const putGroup = (namespace = pick(namespaces)): UserEvent => {
    const name = named(groups, mostOfNamespace, "group", namespace);
    return { do: "put-group", namespace, name, spec: specs.group(namespace, name) };
  };
  const putService = (namespace = pick(namespaces)): UserEvent => ({
    do: "put-service",
    namespace,
    name: named(services, mostOfNamespace, "service", namespace),
    spec: specs.service(),
  });
  const putTier = (): UserEvent => ({ do: "put-tier", name: ownTier.name, spec: specs.tier() });
  /** Deletes one of them. */
  const ended = (keys: Set<string>, of: Deleting): UserEvent => {
    const key = pick([...keys]);
    if (key === undefined) return createPod();
    keys.delete(key);
    const [namespace = "", name = ""] = key.includes("/") ? key.split("/") : ["", key];
    return { do: of, ...(namespace !== "" && { namespace }), name } as UserEvent;
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
    () => ({ do: "label-namespace", namespace: pick(namespaces), labels: { stage: pick(stages) } }),
    putPolicy,
    () => taken(policies, (policy) => ({ do: "put-policy", ...policy, spec: spec() })),
    () =>
      taken(policies, (policy, key) => {
        policies.delete(key);
        return { do: "delete-policy", ...policy };
      }),
    putClusterPolicy,
    () => ended(clusterPolicies, "delete-cluster-policy"),
    putUpstreamPolicy,
    () => ended(upstreamPolicies, "delete-upstream-cluster-policy"),
    putAntreaPolicy,
    () => ended(antreaPolicies, "delete-antrea-policy"),
    putClusterGroup,
    putGroup,
    () => (random.below(2) === 0 ? ended(clusterGroups, "delete-cluster-group") : ended(groups, "delete-group")),
    putService,
    () => ended(services, "delete-service"),
    putTier,
  ];
  const events: SimEvent[] = namespaces.map((namespace) => ({
    at: 0,
    do: "label-namespace",
    namespace,
    labels: { stage: pick(stages) },
  }));
  for (let count = 0; count < pods; count++) events.push({ at: seconds(1) + random.below(startTime), ...createPod() });
  for (let count = 0; count < namespaces.length * 2; count++) events.push({ at: seconds(1) + random.below(startTime), ...putPolicy() });
  const atStart = (...made: readonly UserEvent[]): void => {
    for (const event of made) events.push({ at: seconds(1) + random.below(startTime), ...event });
  };
  atStart(putTier());
  for (const namespace of namespaces) atStart(putService(namespace), putGroup(namespace), putAntreaPolicy(namespace));
  for (let count = 0; count < 2; count++) atStart(putClusterGroup(), putClusterPolicy(), putUpstreamPolicy());
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
