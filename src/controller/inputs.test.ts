import assert from "node:assert/strict";
import { test } from "node:test";
import { createPolicyObjects, type PolicyChanges } from "#core/policy/index.ts";
import type { Namespace, NetworkPolicy, Pod } from "#lib/kube/index.ts";
import { systemClock, virtualRuntime } from "#lib/runtime/index.ts";
import { createPolicyInputs } from "./inputs.ts";
import { reflectionSource } from "./testing/reflection-source.ts";

test("nothing is told before everything is listed; then changes, each turn's together, and the nodes they concern", async () => {
  const { namespaces, pods, policies, inputs, told } = start();
  pods.upsert(pod("web", "n1"));
  policies.upsert(policy("deny", "uid-1"));
  pods.list("4");
  policies.list();
  await turn();
  assert.equal(inputs.synced, false);
  assert.equal(told.length, 0);
  namespaces.list("5");
  await inputs.whenSynced();
  assert.deepEqual(summary(told[0]), { policies: ["created"], nodes: ["n1"] });

  pods.upsert(pod("web-2", "n2"));
  pods.upsert(pod("web-3", "n2"));
  pods.progress("9");
  await turn();
  assert.equal(told.length, 2);
  assert.deepEqual(summary(told[1]), { policies: ["changed"], nodes: ["n2"] });
  assert.deepEqual(inputs.computed, {
    cluster: "cluster-uid",
    pods: "9",
    namespaces: "5",
    networkpolicies: "",
    changed: { namespaces: "5", pods: "9" },
  });
});

test("nodes are told how far their pods are computed also when the turn ended before that was known", async () => {
  const { pods, told, synced } = start();
  await synced();
  pods.upsert(pod("web", "n1"));
  await turn();
  assert.deepEqual(summary(told.at(-1)).nodes, ["n1"]);
  pods.progress("9");
  await turn();
  assert.deepEqual(summary(told.at(-1)).nodes, ["n1"]);
  pods.progress("10");
  await turn();
  assert.deepEqual(summary(told.at(-1)).nodes, []);
});

test("a policy that was deleted and made anew while nobody listened is another one", async () => {
  const { policies, told, synced } = start();
  policies.upsert(policy("deny", "uid-1"));
  await synced();
  policies.upsert(policy("deny", "uid-2"));
  await turn();
  assert.deepEqual(summary(told.at(-1)).policies.sort(), ["created", "deleted"]);
});

test("what is wrong with a policy is told until it is right", async () => {
  const { policies, inputs, synced } = start();
  await synced();
  policies.upsert(policy("deny", "uid-1", [{ from: [{ ipBlock: { cidr: "ten" } }] }]));
  await turn();
  assert.deepEqual([...inputs.problems.keys()], ["K8sNetworkPolicy shop/deny"]);
  policies.upsert(policy("deny", "uid-1"));
  await turn();
  assert.equal(inputs.problems.size, 0);
});

test("settling tells at once what is computed already", async () => {
  const { inputs, told, synced } = start();
  await synced();
  inputs.engine.deletePod("none");
  const before = told.length;
  inputs.settle();
  assert.equal(told.length, before + 1);
});

test("a change of many policies is computed over several turns, and told as one", async () => {
  const { namespaces, policies, inputs, told, synced } = start({ readingTakesMs: 20 });
  for (let index = 0; index < 200; index++) policies.upsert(policy(`p${index}`, `uid-${index}`));
  await synced();
  const before = { told: told.length, reached: inputs.computed.namespaces };
  namespaces.upsert({ metadata: { name: "shop", annotations: { "networkpolicy.antrea.io/enable-logging": "true" } } });
  namespaces.progress("9");
  let turns = 0;
  for (; told.length === before.told; turns++) {
    assert.equal(inputs.computed.namespaces, before.reached);
    await new Promise((resolve) => setImmediate(resolve));
  }
  assert.ok(turns > 2, `${turns} turns`);
  assert.equal(inputs.computed.namespaces, "9");
  assert.equal(told.length, before.told + 1);
  assert.equal(told.at(-1)?.changes.policies.length, 200);
});

interface Told {
  readonly changes: PolicyChanges;
  readonly nodes: ReadonlySet<string>;
}

function start({ readingTakesMs = 0 } = {}) {
  const namespaces = reflectionSource<Namespace>("namespaces");
  const pods = reflectionSource<Pod>("pods");
  const policies = reflectionSource<NetworkPolicy>("networkpolicies");
  const told: Told[] = [];
  let now = 0;
  namespaces.upsert({ metadata: { name: "kube-system", uid: "cluster-uid" } });
  const virtual = virtualRuntime({ seed: 1 });
  const inputs = createPolicyInputs({
    // Time stands still but for what reading it takes; the event loop turns.
    runtime: {
      ...virtual,
      clock: {
        ...virtual.clock,
        soon: systemClock.soon,
        monotonic() {
          now += readingTakesMs;
          return now;
        },
      },
    },
    objects: createPolicyObjects(),
    namespaces: namespaces.reflection,
    pods: pods.reflection,
    policies: policies.reflection,
    publish: (changes, nodes) => told.push({ changes, nodes }),
  });
  const synced = async (): Promise<void> => {
    for (const each of [namespaces, pods, policies]) each.list();
    await inputs.whenSynced();
  };
  return { namespaces, pods, policies, inputs, told, synced };
}

/** A reflection that the test fills. */
/** One turn of the event loop behind which everything queued now is computed. */
const turn = async (): Promise<void> => {
  await new Promise((resolve) => setImmediate(resolve));
  await new Promise((resolve) => setImmediate(resolve));
};

const summary = (told: Told | undefined) => ({
  policies: told?.changes.policies.map(({ event }) => event) ?? [],
  nodes: [...(told?.nodes ?? [])],
});

const pod = (name: string, nodeName: string): Pod => ({ metadata: { namespace: "shop", name }, spec: { nodeName, containers: [] } });

const policy = (name: string, uid: string, ingress: NonNullable<NetworkPolicy["spec"]>["ingress"] = []): NetworkPolicy => ({
  metadata: { namespace: "shop", name, uid },
  spec: { podSelector: {}, policyTypes: ["Ingress"], ingress },
});
