import assert from "node:assert/strict";
import { test } from "node:test";
import {
  type ComputedRevisions,
  encodeGroup,
  encodeGroupPatch,
  encodeNetworkPolicy,
  type Group,
  type NetworkPolicy,
  nothing,
} from "#core/api/controlplane/index.ts";
import { createFlowLedger } from "#core/pipeline/flow-ledger.ts";
import { createPipeline } from "#core/pipeline/index.ts";
import { createPolicyCompiler } from "#core/pipeline/policy/index.ts";
import { parseAddress } from "#lib/ip/index.ts";
import type { Pod } from "#lib/kube/index.ts";
import { type Clock, minutes, silentLogger, systemRuntime, virtualClock } from "#lib/runtime/index.ts";
import { createTable, type ReadTable } from "#lib/table/index.ts";
import { oneController } from "../controllers/replicas.ts";
import { policy as policyOf, rule } from "../testing/policies.ts";
import { createPolicyAssembly, type PolicyTarget } from "./assembly.ts";
import { awayAfter, followPolicies } from "./follow.ts";
import { heldAtMost } from "./join-changes.ts";
import type { PolicySnapshot } from "./snapshot.ts";
import { createFakeController } from "./testing/fake-controller.ts";
import { amplePatience } from "#lib/runtime/testing/patience.ts";

const runtime = { ...systemRuntime(), logger: silentLogger };

const resources = ["networkpolicies", "addressgroups", "appliedtogroups"] as const;
const computed = (pods: number): ComputedRevisions => ({ cluster: "c", pods: String(pods), namespaces: "1", networkpolicies: "1" });
const member = (name: string, ...ips: string[]) => ({ pod: { namespace: "shop", name }, ips: ips.map(parseAddress), ports: [] });
const group = (name: string, ...members: ReturnType<typeof member>[]): Group => ({ name, uid: name, members });
const policy = (name: string, peers: string, generation = 1): NetworkPolicy =>
  policyOf(name, { generation, rules: [rule({ peer: { ...nothing, addressGroups: [peers] } })] });

/** Says in words what it is told. */
function recorder(): { readonly told: string[]; readonly target: PolicyTarget } {
  const told: string[] = [];
  return {
    told,
    target: {
      setPolicy: ({ name, generation }) => void told.push(`policy ${name} v${generation}`),
      removePolicy: (name) => void told.push(`no policy ${name}`),
      setAddressGroup: ({ name, members }) => void told.push(`peers ${name} ${members.length}`),
      patchAddressGroup: ({ name, added, removed }) => void told.push(`peers ${name} +${added.length} -${removed.length}`),
      removeAddressGroup: (name) => void told.push(`no peers ${name}`),
      setAppliedToGroup: ({ name }) => void told.push(`subjects ${name}`),
      patchAppliedToGroup: ({ name }) => void told.push(`subjects ${name} changed`),
      removeAppliedToGroup: (name) => void told.push(`no subjects ${name}`),
    },
  };
}

async function follower(options: { target: PolicyTarget; snapshot?: PolicySnapshot; clock?: Clock; pods?: ReadTable<Pod> }) {
  const stop = new AbortController();
  const controller = createFakeController();
  const changes = { count: 0, contained: 0 };
  const followed = followPolicies({
    runtime: { ...runtime, clock: options.clock ?? runtime.clock },
    replicas: oneController(controller.client),
    node: "n1",
    target: options.target,
    snapshot: options.snapshot,
    ...(options.pods === undefined ? {} : { pods: options.pods }),
    changed: () => void changes.count++,
    contained: () => void changes.contained++,
    signal: stop.signal,
  });
  await settled();
  return { controller, followed, changes, stop: () => stop.abort() };
}

/** Lets everything run that was started by events in memory. */
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
const isDone = async (promise: Promise<unknown>): Promise<boolean> => {
  const state = { done: false };
  promise.then(
    () => {
      state.done = true;
    },
    () => {},
  );
  await settled();
  return state.done;
};

test("a policy comes into force when its groups are there; its older version and old groups stay until then", () => {
  const { told, target } = recorder();
  const assembly = createPolicyAssembly(target);
  assembly.setPolicy(policy("n", "a"));
  assembly.addressGroups.set(group("a", member("x", "10.0.0.1")));
  assert.deepEqual(told, ["peers a 1"]);
  assembly.appliedToGroups.set(group("subjects", member("p")));
  assert.deepEqual(told.splice(0), ["peers a 1", "subjects subjects", "policy n v1"]);
  assembly.setPolicy(policy("n", "b", 2));
  assembly.addressGroups.remove("a");
  assert.deepEqual(told, []);
  assembly.addressGroups.set(group("b"));
  assert.deepEqual(told.splice(0), ["peers b 0", "policy n v2", "no peers a"]);
  assembly.removePolicy("n");
  assembly.addressGroups.remove("b");
  assert.deepEqual(told, ["no policy n", "no peers b"]);
});

test("the list of groups is the same one until a group comes, changes or goes", () => {
  const assembly = createPolicyAssembly(recorder().target);
  const { addressGroups } = assembly;
  const named = (): string[] => addressGroups.groups().map(({ name, members }) => `${name} ${members.length}`);
  addressGroups.set(group("a", member("x")));
  assert.deepEqual(named(), ["a 1"]);
  const before = addressGroups.groups();
  assert.equal(addressGroups.groups(), before);
  addressGroups.set(group("b"));
  assert.deepEqual(named(), ["a 1", "b 0"]);
  assert.equal(addressGroups.groups()[0], before[0]);
  addressGroups.patch({ name: "a", uid: "a", added: [member("y")], removed: [] });
  assert.deepEqual(named(), ["a 2", "b 0"]);
  assembly.appliedToGroups.set(group("subjects"));
  assembly.setPolicy(policy("n", "b"));
  addressGroups.remove("b");
  assert.deepEqual(named(), ["a 2"]);
  addressGroups.set(group("b"));
  assert.deepEqual(named(), ["a 2", "b 0"]);
  addressGroups.remove("b");
  assembly.removePolicy("n");
  addressGroups.remove("a");
  assert.deepEqual(named(), []);
});

test("subjects that have no pod on this node keep no policy waiting, and those that left are nobody's any more", () => {
  const { told, target } = recorder();
  const assembly = createPolicyAssembly(target);
  const both = (version: number) => ({ ...policy("n", "a", version), appliedToGroups: ["here", "elsewhere"] });
  assembly.setPolicy(both(1));
  assembly.addressGroups.set(group("a"));
  assembly.appliedToGroups.set(group("here", member("p")));
  assert.deepEqual(told.splice(0), ["peers a 0", "subjects here"]);
  assert.ok(assembly.isLoose);
  assert.equal(assembly.settle(), true);
  assert.deepEqual(told.splice(0), ["policy n v1"]);
  assert.deepEqual([assembly.isLoose, assembly.settle()], [false, false]);
  // A pod of the others comes, and the last of the first leaves, while the policy stands.
  assembly.appliedToGroups.set(group("elsewhere", member("q")));
  assembly.appliedToGroups.remove("here");
  assert.deepEqual(told.splice(0), ["subjects elsewhere"]);
  assert.equal(assembly.settle(), true);
  assert.deepEqual(told.splice(0), ["no subjects here"]);
  // Peers are told wherever the policy is: without them it goes on waiting.
  assembly.setPolicy({ ...policy("n", "b", 2), appliedToGroups: ["here", "elsewhere"] });
  assembly.settle();
  assert.deepEqual(told, []);
  assembly.addressGroups.set(group("b"));
  assert.deepEqual(told.splice(0), ["peers b 0"]);
  assembly.settle();
  assert.deepEqual(told, ["policy n v2"]);
});

test("a policy for pods of several nodes is in force when its change is over, or soon where changes have no end", async () => {
  for (const marked of [true, false]) {
    const { told, target } = recorder();
    const { controller, stop } = await follower({ target });
    const bookmark = (change: number): void => {
      for (const resource of resources) controller.bookmark(resource, undefined, marked ? { change } : {});
    };
    bookmark(1);
    await settled();
    const names = { ...policy("n", "a"), appliedToGroups: ["here", "elsewhere"] };
    controller.send("networkpolicies", "ADDED", encodeNetworkPolicy(names));
    controller.send("addressgroups", "ADDED", encodeGroup("addressgroups", group("a")));
    controller.send("appliedtogroups", "ADDED", encodeGroup("appliedtogroups", group("here", member("p"))));
    await settled();
    assert.ok(!told.includes("policy n v1"));
    bookmark(2);
    await settled();
    const end = Date.now() + amplePatience;
    while (!marked && !told.includes("policy n v1") && Date.now() < end) await settled();
    assert.equal(told.at(-1), "policy n v1");
    stop();
  }
});

test("nothing is ready before all three streams have delivered their first set", async () => {
  const { told, target } = recorder();
  const { controller, followed, stop } = await follower({ target });
  controller.send("networkpolicies", "ADDED", encodeNetworkPolicy(policy("n", "a")));
  assert.equal(controller.selector("networkpolicies"), "nodeName=n1");
  controller.bookmark("networkpolicies");
  controller.bookmark("addressgroups");
  controller.send("addressgroups", "ADDED", encodeGroup("addressgroups", group("a")));
  assert.equal(await isDone(followed.whenReady()), false);
  controller.send("appliedtogroups", "ADDED", encodeGroup("appliedtogroups", group("subjects")));
  controller.bookmark("appliedtogroups");
  assert.equal(await isDone(followed.whenReady()), true);
  assert.deepEqual(told.at(-1), "policy n v1");
  controller.send(
    "addressgroups",
    "MODIFIED",
    encodeGroupPatch("addressgroups", { name: "a", uid: "a", added: [member("x", "10.0.0.1")], removed: [] }),
  );
  await settled();
  assert.equal(told.at(-1), "peers a +1 -0");
  assert.equal(followed.addressGroups()[0]?.members.length, 1);
  stop();
});

test("heartbeats that say once more what was said make nothing be computed, nor does progress alone", async () => {
  const { target } = recorder();
  const { controller, followed, changes, stop } = await follower({ target });
  for (const resource of resources) controller.bookmark(resource, computed(5), { heartbeat: 200 });
  await followed.whenReady();
  const before = { ...changes };
  for (let beat = 0; beat < 3; beat++) controller.bookmark("networkpolicies", computed(5), { heartbeat: 200 });
  await settled();
  assert.deepEqual(changes, before);
  for (const resource of resources) controller.bookmark(resource, computed(6), { heartbeat: 200 });
  await settled();
  assert.equal(followed.computed()?.pods, "6");
  assert.equal(changes.count, before.count);
  assert.ok(changes.contained > before.contained);
  stop();
});

test("after a reconnect what the controller has no more goes, and nothing else is touched", async () => {
  const { told, target } = recorder();
  const { controller, followed, stop } = await follower({ target });
  for (const name of ["a", "b"]) controller.send("addressgroups", "ADDED", encodeGroup("addressgroups", group(name)));
  for (const resource of resources) controller.bookmark(resource);
  assert.equal(await isDone(followed.whenReady()), true);
  const before = controller.opened("addressgroups");
  controller.end("addressgroups");
  while (resources.some((resource) => controller.opened(resource) === before)) await settled();
  assert.match(followed.problem() ?? "", /ended the watch of addressgroups/);
  told.splice(0);
  controller.send("addressgroups", "ADDED", encodeGroup("addressgroups", group("b")));
  for (const resource of resources) controller.bookmark(resource);
  await settled();
  assert.deepEqual(told, ["no peers a"]);
  assert.equal(followed.problem(), undefined);
  stop();
});

test("a pod is computed when all three streams have passed its resourceVersion", async () => {
  const { controller, followed, stop } = await follower({ target: recorder().target });
  for (const resource of resources) controller.bookmark(resource, computed(10));
  const pod = followed.whenComputed({ namespace: "shop", name: "p", resourceVersion: "12" });
  for (const resource of ["networkpolicies", "addressgroups"] as const) controller.bookmark(resource, computed(12));
  assert.equal(await isDone(pod), false);
  controller.bookmark("appliedtogroups", computed(13));
  assert.equal(await isDone(pod), true);
  assert.equal(await isDone(followed.whenComputed({ namespace: "shop", name: "q", resourceVersion: "9" })), true);
  stop();
});

test("a controller that gives no progress has a bounded time to name the pod", async () => {
  const { controller, followed, stop } = await follower({ target: recorder().target });
  controller.send("appliedtogroups", "ADDED", encodeGroup("appliedtogroups", group("subjects", member("p"))));
  for (const resource of resources) controller.bookmark(resource);
  assert.equal(await isDone(followed.whenComputed({ namespace: "shop", name: "p", resourceVersion: "12" })), true);
  const unnamed = followed.whenComputed({ namespace: "shop", name: "q", resourceVersion: "12" });
  assert.equal(await isDone(unnamed), false);
  await unnamed;
  stop();
});

test("a wait for a pod ends with its signal", async () => {
  const { followed, stop } = await follower({ target: recorder().target });
  const giveUp = new AbortController();
  const pod = followed.whenComputed({ namespace: "shop", name: "p", resourceVersion: "12", signal: giveUp.signal });
  giveUp.abort(new Error("enough"));
  await assert.rejects(pod, { message: "enough" });
  stop();
});

test("while no controller is there a new pod gets the policies of one with its labels, until a controller has computed it", async () => {
  const clock = virtualClock();
  const pods = createTable<Pod>({ name: "pods", key: ({ metadata }) => `${metadata.namespace}/${metadata.name}` });
  const pod = (name: string, resourceVersion: string, app: string): Pod => ({
    metadata: { namespace: "shop", name, resourceVersion, labels: { app } },
    spec: { containers: [] },
  });
  pods.upsert(pod("p", "9", "web"));
  const { controller, followed, stop } = await follower({ target: recorder().target, clock, pods });
  controller.send("appliedtogroups", "ADDED", encodeGroup("appliedtogroups", group("subjects", member("p"))));
  for (const resource of resources) controller.bookmark(resource, computed(10));
  await settled();
  controller.die();
  await settled();
  pods.upsert(pod("q", "11", "web"));
  pods.upsert(pod("other", "12", "db"));
  const ready = followed.whenComputed({ namespace: "shop", name: "q", resourceVersion: "11" });
  const never = followed.whenComputed({ namespace: "shop", name: "other", resourceVersion: "12" });
  assert.equal(await isDone(ready), false);
  clock.advance(awayAfter);
  await ready;
  const names = (): (string | undefined)[] => followed.appliedToGroups().flatMap(({ members }) => members.map((each) => each.pod?.name));
  assert.deepEqual(names(), ["p", "q"]);
  assert.equal(await isDone(never), false);
  // One comes that is not as far, and then is: in its eyes the pod is in no group.
  controller.revive();
  while (controller.open < 3) {
    clock.step();
    await settled();
  }
  const sendAll = (version: number): void => {
    for (const resource of resources) controller.bookmark(resource, computed(version));
  };
  controller.send("appliedtogroups", "ADDED", encodeGroup("appliedtogroups", group("subjects", member("p"))));
  sendAll(10);
  await settled();
  assert.equal(followed.problem(), undefined);
  assert.deepEqual(names(), ["p", "q"]);
  sendAll(12);
  await settled();
  clock.advance(heldAtMost);
  assert.deepEqual(names(), ["p"]);
  await never;
  stop();
});

test("a controller that has seen less than what is enforced is not followed", async () => {
  const { told, target } = recorder();
  const compiler = createPolicyCompiler({ pipeline: createPipeline(), ledger: createFlowLedger() });
  const snapshot: PolicySnapshot = {
    policies: [policy("n", "a")],
    addressGroups: [group("a")],
    appliedToGroups: [group("subjects")],
    allocations: compiler.allocations(),
    openPorts: [],
    computed: computed(20),
  };
  const { controller, followed, stop } = await follower({ target, snapshot });
  assert.equal(followed.ready, true);
  assert.deepEqual(told.splice(0), ["peers a 0", "subjects subjects", "policy n v1"]);
  for (const resource of resources) controller.bookmark(resource, computed(19));
  await settled();
  assert.deepEqual(told, []);
  assert.match(followed.problem() ?? "", /computed pods up to resourceVersion 19, but 20/);
  stop();
});

test("a controller that tells progress and then hangs is asked anew; one that never tells any may be silent", async () => {
  const clock = virtualClock();
  const { controller, followed, stop } = await follower({ target: recorder().target, clock });
  for (const resource of resources) controller.bookmark(resource, computed(10));
  await settled();
  clock.advance(minutes(2));
  controller.bookmark("addressgroups", computed(10));
  await settled();
  clock.advance(minutes(2));
  await settled();
  assert.equal(followed.problem(), undefined);
  clock.advance(minutes(2));
  await settled();
  assert.match(followed.problem() ?? "", /nothing heard for 180001 ms/);
  // Beside the silent one, which is not left before there is another.
  assert.deepEqual(
    resources.map((resource) => controller.opened(resource)),
    [2, 2, 2],
  );
  assert.equal(controller.open, 6);
  for (const resource of resources) controller.bookmark(resource);
  await settled();
  assert.equal(controller.open, 3);
  clock.advance(minutes(60));
  await settled();
  assert.equal(followed.problem(), undefined);
  stop();
});

test("what a controller marks as one change is one change, and a stream that breaks in the middle of it leaves the state before", async () => {
  const { told, target } = recorder();
  const { controller, stop } = await follower({ target });
  const mark = (change: number): void => {
    for (const resource of resources) controller.bookmark(resource, computed(change), { change });
  };
  controller.send("addressgroups", "ADDED", encodeGroup("addressgroups", group("old", member("a", "10.0.0.1"))));
  controller.send("appliedtogroups", "ADDED", encodeGroup("appliedtogroups", group("subjects", member("x"))));
  controller.send("networkpolicies", "ADDED", encodeNetworkPolicy(policy("p", "old")));
  mark(1);
  await settled();
  told.length = 0;

  const change = (): void => {
    controller.send("addressgroups", "ADDED", encodeGroup("addressgroups", group("new", member("b", "10.0.0.2"))));
    controller.bookmark("addressgroups", computed(2), { change: 2 });
    controller.send("networkpolicies", "MODIFIED", encodeNetworkPolicy(policy("p", "new", 2)));
    controller.bookmark("networkpolicies", computed(2), { change: 2 });
  };
  change();
  await settled();
  assert.deepEqual(told, [], "the third stream has not told that there is no more");
  controller.end("appliedtogroups");
  await settled();
  assert.deepEqual(told, []);
  controller.send("addressgroups", "ADDED", encodeGroup("addressgroups", group("old", member("a", "10.0.0.1"))));
  controller.send("appliedtogroups", "ADDED", encodeGroup("appliedtogroups", group("subjects", member("x"))));
  controller.send("networkpolicies", "ADDED", encodeNetworkPolicy(policy("p", "old")));
  mark(1);
  await settled();
  change();
  controller.bookmark("appliedtogroups", computed(2), { change: 2 });
  await settled();
  assert.deepEqual(told, ["peers new 1", "policy p v2"]);
  stop();
});
