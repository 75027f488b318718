import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { keyOf, type Labels, type LabelSelector, type Namespace, type NetworkPolicy, type Pod } from "#lib/kube/index.ts";
import {
  createPolicyEngine,
  type GroupReference,
  type LoweredPolicy,
  lowerKubernetesPolicy,
  namespaceRow,
  nodeRow,
  podRow,
  selectPods,
} from "./index.ts";
import { createAgentMirror } from "./testing/agent-mirror.ts";
import { type Connection, type End, isAllowed } from "./testing/reference.ts";
import { insistOnTold } from "./testing/told-on-node.ts";

// A small world, so that random objects meet often.
const names = ["x", "y", "z"];
const fewNodes = ["n1", "n2", "n3"];
const labels: fc.Arbitrary<Labels> = fc.dictionary(fc.constantFrom("app", "tier"), fc.constantFrom("a", "b"), { maxKeys: 2 });
const selector: fc.Arbitrary<LabelSelector> = fc.oneof(
  fc.constant({}),
  labels.map((matchLabels) => ({ matchLabels })),
  fc
    .record({
      key: fc.constantFrom("app", "tier", "none"),
      operator: fc.constantFrom("In", "NotIn", "Exists", "DoesNotExist"),
      values: fc.uniqueArray(fc.constantFrom("a", "b"), { minLength: 1 }),
    })
    .map((requirement) => ({ matchExpressions: [requirement] })),
);
const namespace: fc.Arbitrary<Namespace> = fc.record({ name: fc.constantFrom(...names), labels }).map((metadata) => ({ metadata }));
const namespacedName = fc.record({ namespace: fc.constantFrom(...names), name: fc.constantFrom("p", "q") });
const pod: fc.Arbitrary<Pod> = fc
  .record({
    id: namespacedName,
    labels,
    node: fc.option(fc.constantFrom(...fewNodes), { nil: undefined }),
    phase: fc.constantFrom("Running", "Running", "Running", "Succeeded"),
    hostNetwork: fc.constantFrom(false, false, false, true),
    families: fc.constantFrom([4], [6], [4, 6], []),
    web: fc.option(fc.constantFrom(80, 81), { nil: undefined }),
  })
  .map(({ id, labels: own, node, phase, hostNetwork, families, web }) => {
    const number = names.indexOf(id.namespace) * 2 + (id.name === "p" ? 1 : 2);
    return {
      metadata: { ...id, labels: own },
      spec: {
        ...(node && { nodeName: node }),
        hostNetwork,
        containers: [{ name: "c", ports: web ? [{ name: "web", containerPort: web }] : [] }],
      },
      status: { phase, podIPs: families.map((family) => ({ ip: family === 4 ? `10.0.0.${number}` : `fd00::${number}` })) },
    };
  });
const policyPort = fc.oneof(
  fc.constant({}),
  fc.constant({ protocol: "UDP", port: 80 }),
  fc.constant({ port: 80, endPort: 81 }),
  fc.constant({ port: "web" }),
  fc.constant({ port: 81 }),
);
const policyPeer = fc.oneof(
  fc.record({ podSelector: selector }),
  fc.record({ namespaceSelector: selector }),
  fc.record({ podSelector: selector, namespaceSelector: selector }),
  fc.constantFrom(
    { ipBlock: { cidr: "10.0.0.0/30" } },
    { ipBlock: { cidr: "0.0.0.0/0", except: ["10.0.0.4/31"] } },
    { ipBlock: { cidr: "fd00::/16" } },
  ),
);
const optionalList = <Item>(item: fc.Arbitrary<Item>): fc.Arbitrary<Item[] | undefined> =>
  fc.option(fc.array(item, { maxLength: 2 }), { nil: undefined });
const policy: fc.Arbitrary<NetworkPolicy> = fc
  .record({
    namespace: fc.constantFrom(...names),
    name: fc.constantFrom("one", "two"),
    podSelector: selector,
    types: fc.constantFrom(undefined, ["Ingress"], ["Egress"], ["Ingress", "Egress"]),
    ingress: optionalList(fc.record({ from: optionalList(policyPeer), ports: optionalList(policyPort) })),
    egress: optionalList(fc.record({ to: optionalList(policyPeer), ports: optionalList(policyPort) })),
  })
  .map(({ namespace: home, name, podSelector, types, ingress, egress }) => {
    const spec = JSON.parse(JSON.stringify({ podSelector, policyTypes: types, ingress, egress })) as NetworkPolicy["spec"] & object;
    return { metadata: { namespace: home, name, uid: `${home}-${name}` }, spec };
  });

type Step =
  | { readonly kind: "namespace"; readonly object: Namespace; readonly gone: boolean }
  | { readonly kind: "pod"; readonly object: Pod; readonly gone: boolean }
  | { readonly kind: "policy"; readonly object: NetworkPolicy; readonly gone: boolean }
  | { readonly kind: "flush" };
const gone = fc.constantFrom(false, false, false, true);
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ kind: fc.constant("namespace" as const), object: namespace, gone }),
  fc.record({ kind: fc.constant("pod" as const), object: pod, gone }),
  fc.record({ kind: fc.constant("pod" as const), object: pod, gone }),
  fc.record({ kind: fc.constant("policy" as const), object: policy, gone }),
  fc.record({ kind: fc.constant("policy" as const), object: policy, gone }),
  fc.constant({ kind: "flush" as const }),
);

test("every node's verdicts are those of the API's text, after any sequence of changes, told minimally", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40, size: "max" }), (steps) => {
      const world = createWorld();
      for (const each of steps) world.apply(each);
      world.apply({ kind: "flush" });
      world.check();
    }),
    { numRuns: 400 },
  );
});

test("equal objects give equal rows, in whatever order they came", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 30, size: "max" }), (steps) => {
      const world = createWorld();
      for (const each of steps) world.apply(each);
      const fresh = createWorld();
      for (const each of world.objects().toReversed()) fresh.apply(each);
      for (const each of [world, fresh]) each.apply({ kind: "flush" });
      assert.deepEqual(fresh.content(), world.content());
    }),
    { numRuns: 200 },
  );
});

// Enough of everything in one namespace that lists become maps, selectors are indexed and spans are counted.
const crowdedNodes = Array.from({ length: 40 }, (_, index) => `m${index}`);
const app = fc.nat(20).map((index): LabelSelector => (index === 0 ? {} : { matchLabels: { app: `app-${index}` } }));
const crowd: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ index: fc.nat(80), selected: app, node: fc.constantFrom(...crowdedNodes), gone }).map(
      ({ index, selected: { matchLabels = {} }, node, ...rest }): Step => ({
        kind: "pod",
        object: {
          metadata: { namespace: "x", name: `pod-${index}`, labels: matchLabels },
          spec: { nodeName: node, containers: [] },
          status: { phase: "Running", podIPs: [{ ip: `10.0.0.${index}` }] },
        },
        ...rest,
      }),
    ),
  },
  {
    weight: 3,
    arbitrary: fc.record({ index: fc.nat(30), podSelector: app, peer: app, namespaces: fc.constantFrom(undefined, {}), gone }).map(
      ({ index, podSelector, peer, namespaces, ...rest }): Step => ({
        kind: "policy",
        object: {
          metadata: { namespace: "x", name: `policy-${index}`, uid: `uid-${index}` },
          spec: {
            podSelector,
            policyTypes: ["Ingress"],
            ingress: [{ from: [{ podSelector: peer, ...(namespaces && { namespaceSelector: namespaces }) }] }],
          },
        },
        ...rest,
      }),
    ),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom<Step>({ kind: "flush" }, { kind: "namespace", object: { metadata: { name: "x" } }, gone: false }),
  },
);

test("in a crowded namespace a stream of changes comes to what a fresh start tells", () => {
  fc.assert(
    fc.property(fc.array(crowd, { minLength: 100, maxLength: 300, size: "max" }), (steps) => {
      const world = createWorld(crowdedNodes);
      for (const each of steps) world.apply(each);
      const fresh = createWorld(crowdedNodes);
      for (const each of world.objects().toReversed()) fresh.apply(each);
      for (const each of [world, fresh]) each.apply({ kind: "flush" });
      assert.deepEqual(fresh.content(), world.content());
    }),
    { numRuns: 60 },
  );
});

function createWorld(nodes: readonly string[] = fewNodes) {
  const engine = createPolicyEngine();
  const agents = new Map(nodes.map((node) => [node, createAgentMirror(node)]));
  const namespaces = new Map<string, Namespace>();
  const pods = new Map<string, Pod>();
  const policies = new Map<string, NetworkPolicy>();
  return {
    apply(change: Step): void {
      if (change.kind === "flush") {
        const changes = engine.flush();
        for (const [node, agent] of agents) {
          agent.apply(changes);
          insistOnTold(engine, node, agent);
        }
        return;
      }
      const key = keyOf(change.object);
      if (change.kind === "namespace") {
        if (change.gone) engine.deleteNamespace(key);
        else engine.upsertNamespace(namespaceRow(change.object));
      } else if (change.kind === "pod") {
        if (change.gone) engine.deletePod(key);
        else engine.upsertPod(podRow(change.object));
      } else if (change.gone) engine.deletePolicy(change.object.metadata.uid ?? "");
      else engine.upsertPolicy(lowerKubernetesPolicy(change.object).policy);
      const objects = { namespace: namespaces, pod: pods, policy: policies }[change.kind] as Map<string, unknown>;
      if (change.gone) objects.delete(key);
      else objects.set(key, change.object);
    },
    objects: (): Step[] => [
      ...[...namespaces.values()].map((object) => ({ kind: "namespace" as const, object, gone: false })),
      ...[...pods.values()].map((object) => ({ kind: "pod" as const, object, gone: false })),
      ...[...policies.values()].map((object) => ({ kind: "policy" as const, object, gone: false })),
    ],
    content: () =>
      nodes.map((node) => {
        const agent = agents.get(node);
        const members = (groups: Map<string, Map<string, unknown>> | undefined) =>
          [...(groups ?? [])].map(([name, group]) => [name, [...group.keys()].sort()]).sort();
        return {
          policies: [...(agent?.policies ?? [])].sort().map((entry) => JSON.stringify(entry)),
          addressGroups: members(agent?.addressGroups),
          appliedToGroups: members(agent?.appliedToGroups),
        };
      }),
    check(): void {
      const cluster = { namespaces: [...namespaces.values()], pods: [...pods.values()], policies: [...policies.values()] };
      const ends: End[] = [...cluster.pods.map((object) => ({ pod: object })), { address: "10.0.0.200" }, { address: "fd00::200" }];
      for (const from of ends)
        for (const to of ends)
          for (const [protocol, port] of [
            ["TCP", 80],
            ["TCP", 81],
            ["UDP", 80],
          ] as const)
            for (const family of [4, 6] as const) {
              const connection: Connection = { from, to, protocol, port, family };
              if (from === to || !speaks(from, family) || !speaks(to, family)) continue;
              const seen = (end: End, direction: "In" | "Out"): boolean =>
                !("pod" in end) || (agents.get(end.pod.spec.nodeName ?? "")?.allows(connection, direction) ?? true);
              assert.equal(seen(from, "Out") && seen(to, "In"), isAllowed(cluster, connection), JSON.stringify(connection));
            }
    },
  };
}

function speaks(end: End, family: 4 | 6): boolean {
  const addresses = "address" in end ? [end.address] : (end.pod.status?.podIPs ?? []).map(({ ip }) => ip);
  return addresses.some((address) => address.includes(":") === (family === 6));
}

test("the namespace's annotation turns the logs of its policies on and off", () => {
  const engine = createPolicyEngine();
  const annotated = (value: string) =>
    namespaceRow({ metadata: { name: "x", annotations: { "networkpolicy.antrea.io/enable-logging": value } } });
  const logged = () => engine.flush().policies.map(({ row }) => row.rules.map(({ enableLogging }) => enableLogging));
  engine.upsertPolicy(
    lowerKubernetesPolicy({ metadata: { namespace: "x", name: "deny", uid: "u" }, spec: { ingress: [{}], egress: [{}] } }).policy,
  );
  assert.deepEqual(logged(), [[false, false]]);
  engine.upsertNamespace(annotated("true"));
  assert.deepEqual(logged(), [[true, true]]);
  engine.upsertNamespace(annotated("yes please"));
  assert.deepEqual(logged(), [[false, false]]);
  engine.upsertNamespace(annotated("0"));
  assert.deepEqual(logged(), []);
});

test("a policy for a Service, and one for several groups, are found for each node that has part of them", () => {
  const engine = createPolicyEngine();
  const agents = ["n1", "n2", "n3"].map((node) => [node, createAgentMirror(node)] as const);
  const flush = (): string[][] => {
    const changes = engine.flush();
    return agents.map(([node, agent]) => {
      agent.apply(changes);
      insistOnTold(engine, node, agent);
      return [...agent.policies.keys()].sort();
    });
  };
  const policyFor = (uid: string, appliedTo: readonly GroupReference[]): LoweredPolicy => ({
    sourceRef: { type: "AntreaClusterNetworkPolicy", name: uid, uid },
    generation: 1,
    appliedTo,
    rules: [],
  });
  const add = (name: string, app: string, nodeName: string): void =>
    engine.upsertPod(podRow({ metadata: { namespace: "x", name, labels: { app } }, spec: { nodeName, containers: [] } }));
  const podsOf = (app: string): GroupReference => selectPods({ namespace: "x", podSelector: { matchLabels: { app } } });
  for (const name of ["n1", "n2"]) engine.upsertEntity(nodeRow({ metadata: { name } }));
  add("one", "a", "n1");
  add("two", "b", "n3");
  engine.upsertPolicy(policyFor("service", [{ service: { namespace: "x", name: "web" } }]));
  engine.upsertPolicy(policyFor("several", [podsOf("a"), podsOf("b")]));
  assert.deepEqual(flush(), [["service", "several"], ["service"], ["several"]]);
  engine.upsertEntity(nodeRow({ metadata: { name: "n3" } }));
  engine.deletePod("x/one");
  assert.deepEqual(flush(), [["service"], ["service"], ["service", "several"]]);
});

test("the worked example of docs/design/policy-engine.md", () => {
  const engine = createPolicyEngine();
  const add = (name: string, app: string, nodeName: string, ip: string): void =>
    engine.upsertPod(
      podRow({
        metadata: { namespace: "shop", name, labels: { app } },
        spec: { nodeName, containers: [] },
        status: { phase: "Running", podIPs: [{ ip }] },
      }),
    );
  const told = () => {
    const { policies, addressGroups, appliedToGroups } = engine.flush();
    return [...appliedToGroups, ...addressGroups, ...policies].map(({ event, name, gained, lost }) => [event, name, gained, lost]);
  };
  const [webs, clients] = ["c0e0f3aa-449c-52ad-806f-90782dc917fb", "a7133c88-cbbf-5632-8b6b-5b4153eedcac"];
  add("web-1", "web", "n1", "10.0.1.5");
  add("web-2", "web", "n2", "10.0.2.5");
  add("client-1", "client", "n2", "10.0.2.6");
  const ingress = [{ from: [{ podSelector: { matchLabels: { app: "client" } } }] }];
  engine.upsertPolicy(
    lowerKubernetesPolicy({
      metadata: { namespace: "shop", name: "web", uid: "uid-web" },
      spec: { podSelector: { matchLabels: { app: "web" } }, policyTypes: ["Ingress"], ingress },
    }).policy,
  );
  assert.deepEqual(told(), [
    ["created", webs, ["n1", "n2"], []],
    ["created", clients, ["n1", "n2"], []],
    ["created", "uid-web", ["n1", "n2"], []],
  ]);
  add("client-2", "client", "n3", "10.0.3.5");
  assert.deepEqual(told(), [["changed", clients, [], []]]);
  add("web-3", "web", "n3", "10.0.3.6");
  assert.deepEqual(told(), [
    ["changed", webs, ["n3"], []],
    ["changed", clients, ["n3"], []],
    ["changed", "uid-web", ["n3"], []],
  ]);
});
