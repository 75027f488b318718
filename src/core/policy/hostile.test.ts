import assert from "node:assert/strict";
import { test } from "node:test";
import { createPolicyObjects, type PolicyObjects } from "./index.ts";

// Sizes that somebody may write to do harm. What grows faster than they do would not end at these; bench/policy-hostile.ts shows the growth.

const numbers = (count: number): number[] => Array.from({ length: count }, (_, index) => index);
const address = (number: number, first = 10): string => `${first}.${(number >> 16) & 255}.${(number >> 8) & 255}.${number & 255}`;

function addNamespace(objects: PolicyObjects, name: string, labels: Record<string, string> = {}): void {
  objects.apply("Namespace", name, { metadata: { name, uid: name, labels } });
}

function addPod(objects: PolicyObjects, namespace: string, name: string, number: number): void {
  objects.apply("Pod", `${namespace}/${name}`, {
    metadata: { namespace, name, uid: `${namespace}/${name}`, labels: { app: name } },
    spec: { nodeName: `node-${number % 10}`, containers: [] },
    status: { podIPs: [{ ip: address(number) }] },
  } as never);
}

function addClusterPolicy(objects: PolicyObjects, spec: object): void {
  const metadata = { name: "big", uid: "big", generation: 1 };
  objects.apply("AntreaClusterNetworkPolicy", "big", { metadata, spec: { priority: 1, appliedTo: [{ podSelector: {} }], ...spec } });
}

const partsOfBig = ({ largePolicies }: PolicyObjects): number | undefined => largePolicies.get("AntreaClusterNetworkPolicy big");
const rowOfBig = ({ engine }: PolicyObjects) => engine.policy("big")?.row;

test("ten thousand rules with peers of their own: each is there, and a later pod costs its own group", () => {
  const objects = createPolicyObjects();
  addNamespace(objects, "x");
  for (const number of numbers(100)) addPod(objects, "x", `a${number}`, number);
  const rule = (number: number) => ({
    name: `r${number}`,
    action: "Drop",
    from: [{ podSelector: { matchLabels: { app: `a${number}` } } }],
    ports: [{ port: (number % 60_000) + 1 }],
  });
  addClusterPolicy(objects, { ingress: numbers(10_000).map(rule) });
  objects.flush();
  assert.equal(rowOfBig(objects)?.rules.length, 10_000);
  assert.equal(partsOfBig(objects), 1 + 10_000 * 3);
  addPod(objects, "x", "a9999", 9_999);
  const { policies, addressGroups } = objects.flush();
  assert.equal(policies.length, 0);
  assert.equal(addressGroups.length, 1);
  objects.apply("AntreaClusterNetworkPolicy", "big", undefined);
  objects.flush();
  assert.equal(objects.largePolicies.size, 0);
  assert.equal(objects.engine.addressGroups().toArray().length, 0);
});

test("a hundred thousand blocks, by way of groups with children", () => {
  const objects = createPolicyObjects();
  const group = (name: string, spec: object) => objects.apply("ClusterGroup", name, { metadata: { name, uid: name }, spec });
  for (const part of numbers(10))
    group(`g${part}`, { ipBlocks: numbers(10_000).map((number) => ({ cidr: `${address(number, 11 + part)}/32` })) });
  group("all", { childGroups: numbers(10).map((part) => `g${part}`) });
  addClusterPolicy(objects, { egress: [{ name: "r", action: "Drop", to: [{ group: "all" }] }] });
  objects.flush();
  assert.equal(rowOfBig(objects)?.rules[0]?.peer.ipBlocks.length, 100_000);
  assert.equal(partsOfBig(objects), 100_002);
  group("g0", { ipBlocks: [] });
  objects.flush();
  assert.equal(partsOfBig(objects), 90_002);
});

test("a policy of Kubernetes of a megabyte in one rule", () => {
  const objects = createPolicyObjects();
  addNamespace(objects, "x");
  addPod(objects, "x", "a", 1);
  const except = numbers(50_000).map((number) => `${address(number, 11)}/32`);
  const spec = { podSelector: {}, policyTypes: ["Egress"], egress: [{ to: [{ ipBlock: { cidr: "11.0.0.0/8", except } }] }] };
  assert.ok(JSON.stringify(spec).length > 700_000);
  objects.apply("K8sNetworkPolicy", "x/big", { metadata: { namespace: "x", name: "big", uid: "big" }, spec } as never);
  objects.flush();
  assert.equal(rowOfBig(objects)?.rules[0]?.peer.ipBlocks[0]?.except.length, 50_000);
  assert.ok((objects.largePolicies.get("K8sNetworkPolicy x/big") ?? 0) > 50_000);
  objects.apply("K8sNetworkPolicy", "x/big", undefined);
  objects.flush();
  assert.equal(objects.largePolicies.size, 0);
});

test("a selector of many values and requirements", () => {
  const objects = createPolicyObjects();
  addNamespace(objects, "x");
  for (const number of numbers(1_000)) addPod(objects, "x", `a${number}`, number);
  const values = [...numbers(50_000).map((number) => `b${number}`), "a7"];
  const matchExpressions = [
    { key: "app", operator: "In", values },
    ...numbers(5_000).map((number) => ({ key: `k${number}`, operator: "DoesNotExist" })),
  ];
  addClusterPolicy(objects, { egress: [{ name: "r", action: "Drop", to: [{ podSelector: { matchExpressions } }] }] });
  objects.flush();
  const [group] = objects.engine.addressGroups();
  assert.deepEqual(
    group?.group().members.map(({ pod }) => pod?.name),
    ["a7"],
  );
});

test("fifty thousand namespaces: one group, one rule for each that sees itself alone, one for each team", () => {
  const objects = createPolicyObjects();
  for (const number of numbers(50_000)) {
    addNamespace(objects, `n${number}`, { team: `t${number % 50}` });
    addPod(objects, `n${number}`, "a", number);
  }
  const appliedTo = [{ namespaceSelector: { matchExpressions: [{ key: "team", operator: "Exists" }] } }];
  const allow = (peer: object) => ({ appliedTo, ingress: [{ name: "r", action: "Allow", from: [peer] }] });
  addClusterPolicy(objects, allow(appliedTo[0] ?? {}));
  objects.flush();
  assert.equal([...objects.engine.addressGroups()][0]?.group().members.length, 50_000);
  assert.equal(objects.largePolicies.size, 0);
  addClusterPolicy(objects, allow({ namespaces: { match: "Self" } }));
  objects.flush();
  assert.equal(rowOfBig(objects)?.rules.length, 50_000);
  assert.equal(partsOfBig(objects), 3 * 50_000);
  addClusterPolicy(objects, allow({ namespaces: { sameLabels: ["team"] } }));
  objects.flush();
  assert.deepEqual(
    rowOfBig(objects)?.rules.map(({ appliedToGroups }) => appliedToGroups.length),
    numbers(50).map(() => 1_000),
  );
});

test("a policy whose rules follow namespaces is lowered when labels change, not when a namespace is written as it was", () => {
  const objects = createPolicyObjects();
  addNamespace(objects, "x", { team: "a" });
  addPod(objects, "x", "a", 1);
  let reads = 0;
  const ingress = [{ name: "r", action: "Allow", from: [{ namespaces: { sameLabels: ["team"] } }] }];
  const spec = {
    priority: 1,
    appliedTo: [{ podSelector: {} }],
    get ingress() {
      reads++;
      return ingress;
    },
  };
  objects.apply("AntreaClusterNetworkPolicy", "p", { metadata: { name: "p", uid: "p", generation: 1 }, spec });
  objects.flush();
  const readsOf = (change: () => void): number => {
    reads = 0;
    change();
    objects.flush();
    return reads;
  };
  assert.equal(
    readsOf(() => objects.apply("Namespace", "x", { metadata: { name: "x", uid: "x", labels: { team: "a" }, annotations: { a: "b" } } })),
    0,
  );
  assert.ok(readsOf(() => addNamespace(objects, "x", { team: "b" })) > 0);
  assert.ok(readsOf(() => addNamespace(objects, "y", { team: "b" })) > 0);
  assert.ok(readsOf(() => objects.apply("Namespace", "y", undefined)) > 0);
});
