import assert from "node:assert/strict";
import { test } from "node:test";
import {
  changeAnnotation,
  computedAnnotation,
  controlplaneResources,
  decodeGroup,
  decodeGroupPatch,
  decodeNetworkPolicy,
  groupRevision,
  heartbeatAnnotation,
  revisionAnnotation,
} from "#core/api/controlplane/index.ts";
import { createPolicyEngine, lowerKubernetesPolicy, type PolicyEngine, podRow } from "#core/policy/index.ts";
import type { StoreContext, StoreEvent } from "#lib/apiserver/resource-store.ts";
import { anonymous } from "#lib/apiserver/user.ts";
import { type KubeObject, type NetworkPolicy, parseFieldSelector } from "#lib/kube/index.ts";
import { milliseconds, minutes, seconds, seededRandom, virtualClock } from "#lib/runtime/index.ts";
import { keepHeartbeat } from "./heartbeat.ts";
import { createHeartbeats } from "./heartbeats.ts";
import { createPacing } from "./pacing.ts";
import { createControlplaneStores } from "./stores.ts";

type Resource = "networkpolicies" | "addressgroups" | "appliedtogroups";

test("a watch with nodeName begins with what the node needs and one bookmark, then follows the span", async () => {
  const { engine, watch, flush, pod } = start();
  pod("client", { node: "n2", ip: "10.0.2.1", labels: { role: "client" } });
  pod("web", { node: "n2", ip: "10.0.2.2", labels: { app: "web" } });
  engine.upsertPolicy(allowClients());
  flush();

  const policies = await watch("networkpolicies", "nodeName=n1");
  const addresses = await watch("addressgroups", "nodeName=n1");
  const subjects = await watch("appliedtogroups", "nodeName=n1");
  for (const events of [policies, addresses, subjects]) assert.deepEqual(types(events), ["BOOKMARK"]);

  pod("web-2", { node: "n1", labels: { app: "web" } });
  flush();
  assert.deepEqual(types(policies), ["BOOKMARK", "ADDED"]);
  assert.deepEqual(membersOf(addresses.at(-1)), ["client"]);
  assert.deepEqual(membersOf(subjects.at(-1)), ["web-2"], "only the node's own subjects");

  pod("client-2", { node: "n2", ip: "10.0.2.3", labels: { role: "client" } });
  pod("web-3", { node: "n2", labels: { app: "web" } });
  flush();
  const patch = decodeGroupPatch(addresses.at(-1)?.object);
  assert.ok(patch.ok);
  assert.deepEqual(
    patch.value.added.map((member) => member.pod?.name),
    ["client-2"],
  );
  assert.equal(addresses.at(-1)?.type, "MODIFIED");
  assert.deepEqual(types(policies), ["BOOKMARK", "ADDED"], "a change of span elsewhere is none here");
  assert.deepEqual(types(subjects), ["BOOKMARK", "ADDED"], "a subject on another node is none here");

  engine.deletePod("shop/web-2");
  flush();
  assert.deepEqual(types(policies), ["BOOKMARK", "ADDED", "DELETED"]);
  assert.deepEqual(policies.at(-1)?.object, {
    kind: "NetworkPolicy",
    apiVersion: "controlplane.antrea.io/v1beta2",
    metadata: { name: "uid-1", uid: "uid-1" },
    sourceRef: { type: "K8sNetworkPolicy", namespace: "shop", name: "clients", uid: "uid-1" },
  });
  assert.deepEqual(types(addresses), ["BOOKMARK", "ADDED", "MODIFIED", "DELETED"]);
  assert.deepEqual(types(subjects), ["BOOKMARK", "ADDED", "DELETED"]);
});

test("a watch without nodeName sees everything come, change and go", async () => {
  const { engine, watch, flush, pod } = start();
  const policies = await watch("networkpolicies", "");
  const subjects = await watch("appliedtogroups", "");
  engine.upsertPolicy(allowClients());
  flush();
  pod("web", { node: "n1", labels: { app: "web" } });
  flush();
  pod("web", { node: "n2", labels: { app: "web" } });
  flush();
  engine.deletePolicy("uid-1");
  flush();
  assert.deepEqual(types(policies), ["BOOKMARK", "ADDED", "DELETED"]);
  assert.deepEqual(types(subjects), ["BOOKMARK", "ADDED", "MODIFIED", "DELETED"]);
});

test("agents that ask are told revisions and progress, others nothing of it", async () => {
  const { engine, stores, watch, flush, pod } = start();
  pod("web", { node: "n1", labels: { app: "web" } });
  engine.upsertPolicy(allowClients());
  flush();
  const asking = await watch("appliedtogroups", "nodeName=n1", "antreaProgress=true");
  const silent = await watch("appliedtogroups", "nodeName=n1");
  const elsewhere = await watch("appliedtogroups", "nodeName=n2", "antreaProgress=true");
  stores.publish(engine.flush(), new Set(["n1"]));
  assert.deepEqual(types(asking), ["ADDED", "BOOKMARK", "BOOKMARK"]);
  assert.deepEqual(types(silent), ["ADDED", "BOOKMARK"]);
  assert.deepEqual(types(elsewhere), ["BOOKMARK"]);
  assert.deepEqual(JSON.parse(asking.at(-1)?.object.metadata?.annotations?.[computedAnnotation] ?? ""), {
    cluster: "c",
    pods: "7",
    namespaces: "5",
    networkpolicies: "6",
  });
  const group = decodeGroup(asking[0]?.object);
  assert.ok(group.ok);
  assert.equal(asking[0]?.object.metadata?.annotations?.[revisionAnnotation], groupRevision(group.value.members));
  assert.deepEqual(silent.at(-1)?.object.metadata, {});
});

test("behind a change, agents that ask have a mark on all three streams, whichever carried something", async () => {
  const { engine, stores, watch, flush, pod } = start();
  pod("web", { node: "n1", labels: { app: "web" } });
  engine.upsertPolicy(allowClients());
  flush();
  const asking = "antreaProgress=true&antreaChanges=true";
  const streams = await Promise.all(controlplaneResources.map((resource) => watch(resource, "nodeName=n1", asking)));
  const elsewhere = await watch("networkpolicies", "nodeName=n2", asking);
  const silent = await watch("networkpolicies", "nodeName=n1", "antreaProgress=true");
  const marks = (events: readonly StoreEvent[]) =>
    events.flatMap(({ type, object }) => (type === "BOOKMARK" ? [object.metadata?.annotations?.[changeAnnotation]] : []));
  for (const events of streams) assert.deepEqual(marks(events), ["here/0"]);

  pod("client", { node: "n2", ip: "10.0.2.1", labels: { role: "client" } });
  flush();
  for (const events of streams) assert.deepEqual(marks(events), ["here/0", "here/1"]);
  assert.equal(streams.flatMap(types).filter((type) => type === "MODIFIED").length, 1, "one stream has carried it");
  for (const events of streams) assert.equal(types(events).at(-1), "BOOKMARK");
  pod("web", { node: "n1", labels: { app: "web", note: "nothing selects by it" } });
  stores.publish(engine.flush(), new Set(["n1"]));
  for (const events of streams) assert.deepEqual(marks(events), ["here/0", "here/1", undefined], "no change, only how far it is");
  assert.deepEqual(marks(elsewhere), ["here/0"]);
  assert.deepEqual(marks(silent), [undefined, undefined]);
  assert.deepEqual(marks(await watch("networkpolicies", "nodeName=n1", asking)), ["here/1"]);
});

test("a heartbeat each minute reaches all that asked for progress, whatever their node", async () => {
  const { stores, watch } = start();
  const clock = virtualClock();
  const asking = await watch("networkpolicies", "nodeName=n1", "antreaProgress=true");
  const everything = await watch("addressgroups", "", "antreaProgress=true");
  const silent = await watch("networkpolicies", "nodeName=n1");
  const stopping = new AbortController();
  keepHeartbeat({ clock, stores, signal: stopping.signal });
  clock.advance(minutes(2));
  for (const events of [asking, everything]) assert.deepEqual(types(events), ["BOOKMARK", "BOOKMARK", "BOOKMARK"]);
  assert.equal(JSON.parse(asking.at(-1)?.object.metadata?.annotations?.[computedAnnotation] ?? "").pods, "7");
  assert.deepEqual(types(silent), ["BOOKMARK"]);
  stopping.abort();
  clock.advance(minutes(2));
  assert.equal(asking.length, 3);
});

test("LIST ignores field selectors, GET answers NotFound, WATCH refuses other fields", async () => {
  const { engine, stores, flush, watch } = start();
  engine.upsertPolicy(allowClients());
  flush();
  const { networkpolicies } = stores.stores;
  const list = await networkpolicies.list?.({ labelSelector: [], fieldSelector: parseFieldSelector("nodeName=n9") }, context());
  assert.equal(list?.items.length, 1);
  assert.equal(decodeNetworkPolicy(list?.items[0]).ok, true);
  await assert.rejects(
    async () => networkpolicies.get?.({ namespace: "", name: "none" }, context()),
    /networkpolicies.controlplane.antrea.io "none" not found/,
  );
  await assert.rejects(() => watch("networkpolicies", "spec.node=n1"), /field label not supported: spec.node/);
});

test("a watcher that is too slow is forgotten", async () => {
  const { engine, stores, flush } = start();
  const stop = await stores.stores.appliedtogroups.watch?.(
    { labelSelector: [], fieldSelector: [], allowBookmarks: true, sendInitialEvents: false },
    { send: (event) => event.type === "BOOKMARK", close() {} },
    context(),
  );
  assert.equal(stores.connectedAgents, 1);
  engine.upsertPolicy(allowClients());
  flush();
  assert.equal(stores.connectedAgents, 0);
  stop?.();
});

test("agents that ask for heartbeats hear one each 200 ms, and how long the next may take", async () => {
  const { watch, clock } = start();
  const asking = await watch("networkpolicies", "nodeName=n1", "antreaProgress=true&antreaHeartbeat=200");
  const silent = await watch("networkpolicies", "nodeName=n1", "antreaProgress=true");
  const subjects = await watch("appliedtogroups", "nodeName=n1", "antreaProgress=true&antreaHeartbeat=200");
  clock.advance(seconds(1));
  assert.deepEqual([asking.length, silent.length, subjects.length], [6, 1, 1]);
  for (const { object } of asking) {
    const { annotations = {} } = (object as KubeObject).metadata;
    assert.equal(annotations[heartbeatAnnotation], "200");
    assert.equal(typeof annotations[computedAnnotation], "string");
  }
});

test("with very many agents heartbeats become rarer, and are spread over time", async () => {
  const clock = virtualClock();
  let sent = 0;
  let most = 0;
  const beats = createHeartbeats({ clock, mark: () => ({ metadata: {} }) });
  const sink = () => ({
    send() {
      sent++;
      return true;
    },
    close() {},
  });
  const leave = Array.from({ length: 8_000 }, () => beats.add(sink()));
  assert.equal(beats.interval, 2_000);
  for (let tick = 0; tick < 200; tick++) {
    const before = sent;
    clock.advance(milliseconds(10));
    most = Math.max(most, sent - before);
  }
  assert.ok(sent >= 7_200 && sent <= 8_800, `${sent} in two seconds`);
  assert.ok(most <= 800, `${most} at once`);
  for (const each of leave) each();
  assert.equal(beats.interval, 200);
  while (clock.step());
});

test("an agent that comes amid others waits, and has all of its streams when it has one", async () => {
  const { stores, clock, flush } = start({ paced: true });
  flush();
  const begun: string[] = [];
  const come = async (node: string, resource: Resource, sink = sinkOf(1_000)) => {
    const fieldSelector = parseFieldSelector(`nodeName=${node}`);
    const asked = { labelSelector: [], fieldSelector, allowBookmarks: true, sendInitialEvents: false };
    await stores.stores[resource].watch?.(asked, sink, context());
    begun.push(`${node} ${resource}`);
  };
  const first = sinkOf(1_000);
  await come("n1", "networkpolicies", first);
  await come("n1", "addressgroups", first);
  const waited = Promise.all(controlplaneResources.map((resource) => come("n2", resource)));
  clock.advance(milliseconds(1_000));
  await new Promise(setImmediate);
  assert.deepEqual(begun, ["n1 networkpolicies", "n1 addressgroups"]);
  first.pendingBytes = 0;
  clock.advance(milliseconds(10));
  await waited;
  assert.equal(begun.length, 5);
});

const sinkOf = (pendingBytes: number) => ({ send: () => true, close() {}, pendingBytes });

function start({ paced = false } = {}) {
  const clock = virtualClock();
  const engine: PolicyEngine = createPolicyEngine();
  const stores = createControlplaneStores({
    engine,
    ready: () => Promise.resolve(),
    computed: () => ({ cluster: "c", pods: "7", namespaces: "5", networkpolicies: "6" }),
    clock,
    origin: "here",
    ...(paced && { pacing: createPacing({ clock, random: seededRandom(1), limitBytes: 100 }) }),
  });
  return {
    engine,
    clock,
    stores,
    flush: () => stores.publish(engine.flush()),
    pod: (name: string, { node, ip, labels }: { readonly node: string; readonly ip?: string; readonly labels: Record<string, string> }) =>
      engine.upsertPod(
        podRow({
          metadata: { namespace: "shop", name, labels },
          spec: { nodeName: node, containers: [] },
          status: { podIPs: ip ? [{ ip }] : [] },
        }),
      ),
    async watch(resource: Resource, fields: string, parameters = "") {
      const events: (StoreEvent & { readonly type: "ADDED" | "MODIFIED" | "DELETED" | "BOOKMARK" })[] = [];
      await stores.stores[resource].watch?.(
        { labelSelector: [], fieldSelector: parseFieldSelector(fields), allowBookmarks: true, sendInitialEvents: false },
        {
          send(event) {
            if (event.type !== "ERROR") events.push(event);
            return true;
          },
          close() {},
        },
        context(parameters),
      );
      return events;
    },
  };
}

const context = (parameters = ""): StoreContext => ({
  user: anonymous,
  parameters: new URLSearchParams(parameters),
  signal: new AbortController().signal,
  dryRun: false,
  warn() {},
});

const types = (events: readonly StoreEvent[]): string[] => events.map(({ type }) => type);

function membersOf(event: StoreEvent | undefined): (string | undefined)[] {
  const group = decodeGroup(event?.object);
  assert.ok(group.ok);
  return group.value.members.map(({ pod }) => pod?.name);
}

function allowClients() {
  const policy: NetworkPolicy = {
    metadata: { namespace: "shop", name: "clients", uid: "uid-1" },
    spec: { podSelector: { matchLabels: { app: "web" } }, ingress: [{ from: [{ podSelector: { matchLabels: { role: "client" } } }] }] },
  };
  return lowerKubernetesPolicy(policy).policy;
}
