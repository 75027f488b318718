import assert from "node:assert/strict";
import { test } from "node:test";
import { type ComputedRevisions, encodeGroup, encodeNetworkPolicy, type NetworkPolicy } from "#core/api/controlplane/index.ts";
import { type Duration, milliseconds, minutes, seconds, seededRandom, silentLogger, virtualClock } from "#lib/runtime/index.ts";
import { KubeApiError, type Status } from "#lib/kube/index.ts";
import { ranked } from "../controllers/rank.ts";
import type { ControllerReplica, ControllerReplicas } from "../controllers/replicas.ts";

import { policy, rule } from "../testing/policies.ts";
import { followPolicies } from "./follow.ts";
import { createFakeController, type FakeController } from "./testing/fake-controller.ts";

// A node and its controllers `a`, `b`, …, in the order in which the node would choose them, under a clock that stands still unless told.

const resources = ["addressgroups", "appliedtogroups", "networkpolicies"] as const;
const heartbeat = 200;

/** What a controller has computed: pods up to `reached`, of which `changed` was the newest change. */
const at = (reached: number, changed = reached, more: Partial<ComputedRevisions> = {}): ComputedRevisions => ({
  cluster: "c",
  pods: String(reached),
  namespaces: "1",
  networkpolicies: "1",
  changed: { pods: String(changed) },
  ...more,
});

interface Replica extends FakeController {
  readonly name: string;
  /** Sends the complete first sets to whoever asked last. */
  offer(computed: ComputedRevisions, ...policies: readonly NetworkPolicy[]): Promise<void>;
  beat(computed: ComputedRevisions): Promise<void>;
}

const settled = async (): Promise<void> => {
  for (let turn = 0; turn < 6; turn++) await new Promise((resolve) => setImmediate(resolve));
};
const deny = (name: string, generation = 1): NetworkPolicy => policy(name, { generation, rules: [rule({})] });

async function world(t: { after(run: () => void): void }, count: number, last: ControllerReplica["standing"] = "ready") {
  const clock = virtualClock();
  const stop = new AbortController();
  t.after(() => stop.abort());
  const fakes = Array.from({ length: count }, (_, number) => ({ name: `10.0.0.${number + 1}:10349`, fake: createFakeController() }));
  const known: readonly ControllerReplica[] = fakes.map(({ name, fake }, number) => ({
    name,
    client: fake.client,
    standing: number === count - 1 ? last : "ready",
  }));
  const replicas: ControllerReplicas = { known: () => known, whenKnown: () => Promise.resolve(), onChange: () => () => {} };
  const told: string[] = [];
  const say =
    (verb: string) =>
    (row: { readonly name: string; readonly generation?: number } | string): void =>
      void told.push(`${verb} ${typeof row === "string" ? row : `${row.name} v${row.generation ?? 0}`}`);
  const followed = followPolicies({
    runtime: { clock, random: seededRandom(1), logger: silentLogger },
    replicas,
    node: "n1",
    target: {
      setPolicy: say("set"),
      removePolicy: say("remove"),
      setAddressGroup: say("group"),
      patchAddressGroup: say("patch"),
      removeAddressGroup: say("no group"),
      setAppliedToGroup: say("subjects"),
      patchAppliedToGroup: say("patch"),
      removeAppliedToGroup: say("no subjects"),
    },
    snapshot: undefined,
    changed() {},
    contained() {},
    signal: stop.signal,
  });
  await settled();
  const inOrder: Replica[] = ranked(known, "n1").map(({ name }) => {
    const fake = fakes.find((each) => each.name === name)?.fake ?? createFakeController();
    return Object.assign(Object.create(fake) as FakeController, {
      name,
      async offer(computed: ComputedRevisions, ...policies: readonly NetworkPolicy[]) {
        fake.send("appliedtogroups", "ADDED", encodeGroup("appliedtogroups", { name: "subjects", uid: "s", members: [] }));
        for (const each of policies) fake.send("networkpolicies", "ADDED", encodeNetworkPolicy(each));
        for (const resource of resources) fake.bookmark(resource, computed, resource === "networkpolicies" ? { heartbeat } : {});
        await settled();
      },
      async beat(computed: ComputedRevisions) {
        fake.bookmark("networkpolicies", computed, { heartbeat });
        await settled();
      },
    });
  });
  /** Lets time pass in steps, with a heartbeat of each of `alive` before every step. */
  const pass = async (duration: Duration, ...alive: readonly [Replica, ComputedRevisions][]): Promise<void> => {
    for (let left = duration; left > 0; left -= 100) {
      for (const [replica, computed] of alive) await replica.beat(computed);
      clock.advance(milliseconds(100));
      await settled();
    }
  };
  const [a, b, c] = inOrder;
  assert.ok(a !== undefined && b !== undefined);
  return { clock, followed, told, pass, a, b, c: c ?? b };
}

test("a killed controller is left for another at once, and nothing that is equal is touched", async (t) => {
  const { followed, told, a, b } = await world(t, 2);
  await a.offer(at(10), deny("p"), deny("q"));
  assert.equal(followed.controller(), a.name);
  told.splice(0);
  a.die();
  await settled();
  assert.equal(followed.controller(), undefined);
  await b.offer(at(12, 10), deny("p"), deny("q", 2));
  assert.equal(followed.controller(), b.name);
  assert.deepEqual(told, ["set q v2"]);
});

test("who is sent away comes back when it was told to, and asks others meanwhile", async (t) => {
  const { followed, pass, clock, a, b } = await world(t, 2);
  const status = {
    kind: "Status",
    apiVersion: "v1",
    status: "Failure",
    reason: "TooManyRequests",
    details: { retryAfterSeconds: 2 },
  } as const;
  const busy = new KubeApiError("watch", 429, status as unknown as Status);
  for (const each of [a, b]) each.refuse(busy);
  a.die();
  a.revive();
  await settled();
  await pass(milliseconds(1_900));
  const asked = [a.opened("networkpolicies"), b.opened("networkpolicies")];
  assert.ok((asked[0] ?? 0) <= 3 && (asked[1] ?? 0) >= 1, String(asked));
  for (const each of [a, b]) each.refuse(undefined);
  await pass(milliseconds(1_500));
  assert.ok(clock.monotonic() < 4_000);
  await (a.open > 0 ? a : b).offer(at(10), deny("p"));
  assert.notEqual(followed.controller(), undefined);
});

test("a stopped controller is left within a second, and not before the other is complete", async (t) => {
  const { followed, told, pass, clock, a, b } = await world(t, 2);
  await a.offer(at(10), deny("p"));
  await pass(seconds(10), [a, at(10)]);
  assert.equal(b.open, 0, "nobody asks the other while the first is heard");
  told.splice(0);
  const stopped = clock.monotonic();
  while (b.open === 0 && clock.monotonic() - stopped < 2_000) await pass(milliseconds(100));
  assert.ok(clock.monotonic() - stopped <= 800, `asked after ${clock.monotonic() - stopped} ms`);
  assert.equal(followed.controller(), a.name);
  assert.equal(a.open, 3);
  await b.offer(at(10), deny("p"));
  assert.equal(followed.controller(), b.name);
  assert.equal(a.open, 0);
  assert.deepEqual(told, []);
});

test("one that was only late is kept, and waited for longer the next time", async (t) => {
  const { followed, pass, a, b } = await world(t, 2);
  await a.offer(at(10), deny("p"));
  await pass(milliseconds(700));
  assert.equal(b.open, 3);
  assert.notEqual(followed.problem(), undefined);
  await a.beat(at(10));
  assert.deepEqual([followed.problem(), followed.controller(), b.open], [undefined, a.name, 0]);
  await pass(milliseconds(1_000));
  assert.equal(b.open, 0);
  await pass(milliseconds(300));
  assert.equal(b.open, 3);
});

test("a controller that does not answer is not waited for alone", async (t) => {
  const { followed, pass, a, b, c } = await world(t, 3);
  assert.deepEqual([a.open, b.open, c.open], [3, 0, 0]);
  await pass(milliseconds(300));
  assert.deepEqual([a.open, b.open, c.open], [3, 3, 0]);
  await pass(milliseconds(300));
  await c.offer(at(5), deny("p"));
  assert.equal(followed.controller(), c.name);
  assert.deepEqual([a.open, b.open, c.open], [0, 0, 3]);
});

test("one that is behind is refused until it has caught up", async (t) => {
  const { followed, told, pass, a, b } = await world(t, 2);
  await a.offer(at(20), deny("p", 2));
  told.splice(0);
  a.die();
  await settled();
  await b.offer(at(19), deny("p", 1));
  assert.match(followed.problem() ?? "", /has computed pods up to resourceVersion 19, but 20 is enforced/);
  assert.deepEqual([followed.controller(), told.length], [undefined, 0]);
  await pass(milliseconds(200));
  assert.equal(b.open, 3, "it is asked again");
  await b.offer(at(20), deny("p", 2));
  assert.equal(followed.controller(), b.name);
  assert.deepEqual(told, []);
});

test("a quiet one that was started earlier is not behind; one with the same content never is", async (t) => {
  const { followed, a, b } = await world(t, 2);
  await a.offer(at(1_500, 800), deny("p"));
  a.die();
  await settled();
  await b.offer(at(1_000, 800), deny("q"));
  assert.equal(followed.controller(), b.name);
  b.die();
  a.revive();
  await settled();
  await a.offer(at(700), deny("q"));
  assert.equal(followed.controller(), a.name);
});

test("after a minute of nothing better an older one is believed: the cluster may have been restored", async (t) => {
  const { followed, told, pass, a, b } = await world(t, 2);
  await a.offer(at(20), deny("p", 2));
  a.die();
  await settled();
  told.splice(0);
  for (let passed = 0; passed < 64 && followed.controller() === undefined; passed++) {
    if (b.open > 0) await b.offer(at(3), deny("p", 1));
    await pass(seconds(1));
  }
  assert.equal(followed.controller(), b.name);
  assert.deepEqual(told, ["set p v1"]);
});

test("one that lost the Kubernetes API is left for one that has not, and kept while there is none", async (t) => {
  const { followed, pass, a, b } = await world(t, 2);
  const lost = { cutOffSince: "2026-01-01T00:00:00Z" };
  await a.offer(at(20), deny("p"));
  await a.beat(at(20, 20, lost));
  assert.equal(b.open, 3);
  await b.offer(at(20, 20, lost), deny("p"));
  assert.equal(followed.controller(), a.name);
  assert.equal(followed.problem(), undefined);
  await pass(milliseconds(900), [a, at(20, 20, lost)]);
  await pass(seconds(1), [a, at(20, 20, lost)]);
  await b.offer(at(25), deny("p"));
  assert.equal(followed.controller(), b.name);
});

test("one that does not compute a new pod is left for one that does", async (t) => {
  const { followed, pass, a, b } = await world(t, 2);
  await a.offer(at(20), deny("p"));
  const computed = followed.whenComputed({ namespace: "shop", name: "new", resourceVersion: "30" });
  await pass(milliseconds(900), [a, at(20)]);
  assert.equal(b.open, 0);
  await pass(milliseconds(300), [a, at(20)]);
  await b.offer(at(30), deny("p"));
  assert.equal(followed.controller(), b.name);
  await computed;
});

test("a node goes back to the one it would choose, beside the one it has", async (t) => {
  const { followed, pass, a, b } = await world(t, 2);
  a.die();
  await settled();
  await pass(milliseconds(300));
  await b.offer(at(20), deny("p"));
  assert.equal(followed.controller(), b.name);
  a.revive();
  await pass(minutes(4) - seconds(1), [b, at(20)]);
  assert.equal(a.open, 0);
  await pass(minutes(2) + seconds(2), [b, at(20)]);
  assert.deepEqual([a.open, b.open], [0, 3], "it did not answer, and is not asked again and again");
});

test("the way through the Kubernetes API is left again within seconds, when a controller can be reached", async (t) => {
  const { followed, pass, a, b } = await world(t, 2, "indirect");
  a.die();
  await settled();
  await b.offer(at(20), deny("p"));
  assert.equal(followed.controller(), b.name);
  a.revive();
  await pass(seconds(6), [b, at(20)]);
  assert.equal(a.open, 3);
  await a.offer(at(20), deny("p"));
  assert.equal(followed.controller(), a.name);
});

test("nodes spread over replicas, and only those of one that goes move", () => {
  const replicas = ["a", "b", "c"].map((name) => ({ name, standing: "ready" as const }));
  const nodes = Array.from({ length: 3_000 }, (_, number) => `node-${number}`);
  const first = (among: typeof replicas, node: string): string => ranked(among, node)[0]?.name ?? "";
  const shares = Map.groupBy(nodes, (node) => first(replicas, node));
  for (const { length } of shares.values()) assert.ok(length > 850 && length < 1_150, `${length} of 3000`);
  const left = replicas.filter(({ name }) => name !== "b");
  const moved = nodes.filter((node) => first(replicas, node) !== "b" && first(replicas, node) !== first(left, node));
  assert.deepEqual(moved, []);
  const unready = [
    { name: "a", standing: "indirect" as const },
    { name: "b", standing: "unready" as const },
    { name: "c", standing: "ready" as const },
  ];
  assert.deepEqual(
    ranked(unready, "n").map(({ name }) => name),
    ["c", "b", "a"],
  );
});
