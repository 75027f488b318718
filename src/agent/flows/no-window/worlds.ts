import type { AntreaPeer, AntreaPolicy, AntreaRule } from "#core/api/antrea/policy.ts";
import type { World } from "#core/policy/cases/reference.ts";
import type { IpAddress } from "#lib/ip/index.ts";
import type { LabelSelector, NetworkPolicy, NetworkPolicyPeer, NetworkPolicyPort, Pod } from "#lib/kube/index.ts";
import type { Random } from "#lib/runtime/index.ts";

/** A pod of the node whose policies change. */
export interface WorldPod {
  readonly name: string;
  readonly addresses: readonly IpAddress[];
}

export const namespace = "shop";
/** Ports that rules name; the last one none does. */
export const ports = [80, 81, 82] as const;

type Spec = NonNullable<NetworkPolicy["spec"]>;
type OrderedSpec = NonNullable<AntreaPolicy["spec"]>;
type Labels = Readonly<Record<string, string>>;

/** Policies by name, and what the pods are labelled beside their names. */
interface State {
  readonly policies: ReadonlyMap<string, Spec>;
  /** ClusterNetworkPolicies of Antrea. */
  readonly ordered: ReadonlyMap<string, OrderedSpec>;
  readonly labels: ReadonlyMap<string, Labels>;
}

/** At most so many beside the crowds. */
const mostPolicies = 6;
/** Rules with a peer set of their own on one pod: two such pods do not fit into one page of 256. */
const crowdSize = 150;

/**
 * One change after the other, each of another kind: a policy comes, goes, changes, is replaced by an equal one or by one that allows some of the same by
 * another rule; pods join and leave peer sets and classes of subjects, which splits and joins profiles; pods get and lose so many peer sets that
 * profiles move between pages. Policies of tiers come, go, change and move among each other, before, behind and between those.
 */
export function* changingWorlds({
  pods,
  random,
}: {
  readonly pods: readonly WorldPod[];
  readonly random: Random;
}): Generator<World, never> {
  const pick = <Value>(values: readonly [Value, ...Value[]]): Value => values[random.below(values.length)] ?? values[0];
  const pickPod = (): string => pods[random.below(pods.length)]?.name ?? "";
  let number = 0;
  let state: State = { policies: new Map(), ordered: new Map(), labels: new Map() };
  const named = (): string[] => [...state.policies.keys()].filter((name) => !name.startsWith("crowd"));
  const someName = (): string | undefined => named()[random.below(named().length)];

  const peers = (): NetworkPolicyPeer[] =>
    pick<() => NetworkPolicyPeer[]>([
      () => [{ podSelector: {} }],
      () => [{ podSelector: { matchLabels: { role: "client" } } }],
      () => [{ podSelector: { matchLabels: { name: pickPod() } } }],
      () => everywhereBut(pods.find(({ name }) => name === pickPod())?.addresses ?? []),
      () => [{ podSelector: { matchLabels: { role: "client" } } }, { podSelector: { matchLabels: { name: pickPod() } } }],
    ])();
  const allowedPorts = (): NetworkPolicyPort[] =>
    pick([[], [{ protocol: "UDP", port: 80 }], [{ protocol: "UDP", port: 80, endPort: 81 }], [{ protocol: "UDP" }]]);
  const rules = (): { peers: NetworkPolicyPeer[]; ports: NetworkPolicyPort[] }[] =>
    Array.from({ length: random.below(3) }, () => ({ peers: random.below(4) === 0 ? [] : peers(), ports: allowedPorts() }));
  const spec = (): Spec => {
    const types = pick([["Ingress"], ["Egress"], ["Ingress", "Egress"]]);
    return {
      podSelector: pick<LabelSelector>([{}, { matchLabels: { name: pickPod() } }, { matchLabels: { tier: "front" } }]),
      policyTypes: types,
      ingress: types.includes("Ingress") ? rules().map(({ peers: from, ports: open }) => ({ from, ports: open })) : [],
      egress: types.includes("Egress") ? rules().map(({ peers: to, ports: open }) => ({ to, ports: open })) : [],
    };
  };
  const withPolicies = (change: (policies: Map<string, Spec>) => void): State => {
    const policies = new Map(state.policies);
    change(policies);
    return { ...state, policies };
  };
  const toggled = (key: string, value: string): State => {
    const pod = pickPod();
    const { [key]: before, ...rest } = state.labels.get(pod) ?? {};
    return { ...state, labels: new Map(state.labels).set(pod, before === undefined ? { ...rest, [key]: value } : rest) };
  };
  const replaced = (next: (before: Spec) => Spec): State =>
    withPolicies((policies) => {
      const old = someName();
      const before = old === undefined ? undefined : policies.get(old);
      if (old === undefined || before === undefined) return;
      policies.delete(old);
      policies.set(`p${++number}`, next(before));
    });
  const orderedRule = (): AntreaRule => {
    // Peers of both kinds are written alike; none is anybody.
    const ends = random.below(4) === 0 ? [] : (peers() as AntreaPeer[]);
    return { action: pick(["Allow", "Drop", "Reject", "Pass"]), from: ends, ports: allowedPorts() as NonNullable<AntreaRule["ports"]> };
  };
  const orderedSpec = (): OrderedSpec => {
    const tier = pick(["securityops", "application", "baseline"]);
    const some = Array.from({ length: 1 + random.below(3) }, orderedRule).map((rule) =>
      rule.action === "Pass" && tier === "baseline" ? { ...rule, action: "Allow" } : rule,
    );
    const turned = some.map(({ from, ...rest }) => ({ ...rest, to: from ?? [] }));
    return {
      tier,
      priority: 1 + random.below(3),
      appliedTo: [{ podSelector: pick<LabelSelector>([{}, { matchLabels: { name: pickPod() } }, { matchLabels: { tier: "front" } }]) }],
      ...pick<() => Partial<OrderedSpec>>([() => ({ ingress: some }), () => ({ egress: turned })])(),
    };
  };
  const withOrdered = (change: (ordered: Map<string, OrderedSpec>, some: string | undefined) => void): State => {
    const ordered = new Map(state.ordered);
    change(ordered, [...ordered.keys()][random.below(ordered.size)]);
    return { ...state, ordered };
  };
  const kinds: readonly [() => State, ...(() => State)[]] = [
    () => withPolicies((policies) => void (named().length < mostPolicies && policies.set(`p${++number}`, spec()))),
    () => withPolicies((policies) => void policies.delete(someName() ?? "")),
    () => withPolicies((policies) => void policies.set(someName() ?? `p${++number}`, spec())),
    // an equal one of another name, and one whose rules stand in another order: what was open stays open by other flows
    () => replaced((before) => before),
    () => replaced(({ ingress = [], egress = [], ...rest }) => ({ ...rest, ingress: ingress.toReversed(), egress: egress.toReversed() })),
    () => withOrdered((ordered) => void (ordered.size < mostPolicies && ordered.set(`o${++number}`, orderedSpec()))),
    () => withOrdered((ordered, some) => void ordered.delete(some ?? "")),
    () => withOrdered((ordered, some) => void ordered.set(some ?? `o${++number}`, orderedSpec())),
    // it moves among the others
    () =>
      withOrdered((ordered, some) => {
        const before = ordered.get(some ?? "");
        if (some !== undefined && before !== undefined) ordered.set(some, { ...before, priority: 1 + random.below(40) / 10 });
      }),
    () => toggled("role", "client"),
    () => toggled("tier", "front"),
    () =>
      withPolicies((policies) => {
        const pod = pickPod();
        if (!policies.delete(`crowd-${pod}`)) policies.set(`crowd-${pod}`, crowd(pod));
      }),
  ];
  for (;;) {
    state = pick(kinds)();
    yield worldOf(state, pods);
  }
}

/** Open to all by one rule, so that the many others decide nothing: what they do is to need sets. */
function crowd(pod: string): Spec {
  const blocks = (index: number): NetworkPolicyPeer[] => [
    { ipBlock: { cidr: `192.0.2.${index}/32` } },
    { ipBlock: { cidr: `2001:db8:${pod.charCodeAt(0).toString(16)}::${index}/128` } },
  ];
  return {
    podSelector: { matchLabels: { name: pod } },
    policyTypes: ["Ingress"],
    ingress: [
      { from: [{ podSelector: {} }] },
      ...Array.from({ length: crowdSize }, (_, index) => ({ from: blocks(index), ports: [{ protocol: "UDP", port: 9_000 + index }] })),
    ],
  };
}

const everywhereBut = (addresses: readonly IpAddress[]): NetworkPolicyPeer[] =>
  addresses.map((address) => ({
    ipBlock: address.family === 4 ? { cidr: "10.0.0.0/8", except: [`${address}/32`] } : { cidr: "fd00::/8", except: [`${address}/128`] },
  }));

function worldOf({ policies, ordered, labels }: State, pods: readonly WorldPod[]): World {
  return {
    namespaces: [{ metadata: { name: namespace, labels: {} } }],
    pods: pods.map(
      ({ name, addresses }): Pod => ({
        metadata: { namespace, name, labels: { name, ...labels.get(name) } },
        spec: { nodeName: "node-1", containers: [] },
        status: { phase: "Running", podIPs: addresses.map((address) => ({ ip: address.toString() })) },
      }),
    ),
    policies: [...policies].map(([name, spec]): NetworkPolicy => ({ metadata: { namespace, name }, spec })),
    antreaPolicies: [...ordered].map(([name, spec]): AntreaPolicy => ({ metadata: { name, uid: name }, spec })),
  };
}
