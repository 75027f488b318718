import assert from "node:assert/strict";
import { test } from "node:test";
import type { PolicyReference } from "#core/api/controlplane/index.ts";
import { type Counters, decodeSummary, epochAnnotation, noCounters, type PolicyCounters, plus } from "#core/statistics/index.ts";
import type { KubeClient, KubeObject } from "#lib/kube/index.ts";
import { type Duration, seconds, seededRandom, silentLogger, virtualClock } from "#lib/runtime/index.ts";
import { reportStatistics } from "./report.ts";

const web: PolicyReference = { type: "AntreaNetworkPolicy", namespace: "shop", name: "web", uid: "u-web" };
const kube: PolicyReference = { type: "K8sNetworkPolicy", namespace: "shop", name: "kube", uid: "u-kube" };
const packets = (count: number): Counters => ({ sessions: count, packets: count, bytes: count * 100 });

/** A controller of antrea (Go), as its aggregator reads summaries: what each one has is added, rules only where there is no total. */
function goController() {
  const held = { total: new Map<string, Counters>(), rules: new Map<string, Counters>() };
  const ways: { answer: "taken" | "refused" | "held" } = { answer: "taken" };
  const waiting: (() => void)[] = [];
  const requests: KubeObject[] = [];
  const add = (sums: Map<string, Counters>, key: string, more: Counters): void =>
    void sums.set(key, plus(sums.get(key) ?? noCounters, more));
  const take = (object: KubeObject): void => {
    const decoded = decodeSummary({ ...object, antreaNetworkPolicies: undefined });
    assert.ok(decoded.ok);
    for (const { policy, total } of decoded.value.policies) add(held.total, policy.uid, total);
    const { antreaNetworkPolicies = [] } = object as {
      antreaNetworkPolicies?: {
        networkPolicy: PolicyReference;
        trafficStats: Counters;
        ruleTrafficStats?: { name: string; trafficStats: Counters }[];
      }[];
    };
    for (const { networkPolicy, trafficStats, ruleTrafficStats = [] } of antreaNetworkPolicies) {
      if (trafficStats.bytes > 0) add(held.total, networkPolicy.uid, trafficStats);
      else
        for (const rule of ruleTrafficStats) {
          add(held.total, networkPolicy.uid, rule.trafficStats);
          add(held.rules, rule.name, rule.trafficStats);
        }
    }
  };
  const client = {
    async create(_resource: unknown, object: KubeObject) {
      requests.push(object);
      assert.equal(object.metadata.annotations?.[epochAnnotation], undefined, "it would add up sums");
      if (ways.answer === "refused") throw new Error("503");
      if (ways.answer === "held") await new Promise<void>((resolve) => waiting.push(resolve));
      take(object);
      return { metadata: { name: "n1" } };
    },
  } as unknown as KubeClient;
  const release = (): void => {
    for (const resolve of waiting.splice(0)) resolve();
  };
  return { client, held, ways, requests, release };
}

/** A controller of ours: the newest sums it was told. */
function ourController() {
  const heard: KubeObject[] = [];
  const client = {
    create(_resource: unknown, object: KubeObject) {
      assert.equal(object.metadata.annotations?.[epochAnnotation], "e", "it would add up differences");
      heard.push(object);
      return Promise.resolve(object);
    },
  } as unknown as KubeClient;
  const total = (): Counters | undefined => {
    const decoded = decodeSummary(heard.at(-1));
    return decoded.ok ? decoded.value.policies.find(({ policy }) => policy.uid === web.uid)?.total : undefined;
  };
  return { client, total };
}

/** An agent that counts, under a clock that stands still unless told. */
function start(t: { after(run: () => void): void }, { known }: { readonly known: readonly string[] } = { known: [web.uid, kube.uid] }) {
  const clock = virtualClock();
  const stop = new AbortController();
  t.after(() => stop.abort());
  const policies = new Map<string, { policy: PolicyReference; total: Counters; rules: Map<string, Counters> }>();
  const forgotten: string[] = [];
  const read = Promise.withResolvers<void>();
  const listeners: { changed: () => void; clients: () => void } = { changed: () => {}, clients: () => {} };
  const followed: { is: "ours" | "go" | "unknown"; ours: KubeClient | undefined; go: KubeClient | undefined } = {
    is: "unknown",
    ours: undefined,
    go: undefined,
  };
  const settled = async (): Promise<void> => {
    for (let turn = 0; turn < 8; turn++) await new Promise((resolve) => setImmediate(resolve));
  };
  reportStatistics({
    runtime: { clock, random: seededRandom(1), logger: silentLogger },
    statistics: {
      epoch: "e",
      policies: () => [...policies.values()].map((each): PolicyCounters => ({ ...each, rules: new Map(each.rules) })),
      readNow: () => read.promise,
      forget: (uid) => void forgotten.push(uid),
      onChange(listener) {
        listeners.changed = listener;
        return () => {};
      },
    },
    clients: () => [followed.is === "go" ? followed.go : followed.ours].filter((client) => client !== undefined),
    onClientsChange(listener) {
      listeners.clients = listener;
    },
    takesSums: () => followed.is === "ours",
    takesDifferences: () => (followed.is === "go" ? followed.go : undefined),
    node: "n1",
    known: () => new Set(known),
    signal: stop.signal,
  });
  return {
    forgotten,
    count(policy: PolicyReference, rule: string | undefined, more: Counters): void {
      const counted = policies.get(policy.uid) ?? { policy, total: noCounters, rules: new Map<string, Counters>() };
      counted.total = plus(counted.total, more);
      if (rule !== undefined) counted.rules.set(rule, plus(counted.rules.get(rule) ?? noCounters, more));
      policies.set(policy.uid, counted);
      listeners.changed();
    },
    dropRule: (rule: string) => void policies.get(web.uid)?.rules.delete(rule),
    async firstReading() {
      read.resolve();
      await settled();
    },
    async follow(kind: "ours" | "go" | "unknown", client?: KubeClient) {
      followed.is = kind;
      if (client !== undefined && kind !== "unknown") followed[kind] = client;
      listeners.clients();
      await settled();
    },
    async pass(duration: Duration) {
      for (let left = duration; left > 0; left -= seconds(1)) {
        clock.advance(seconds(1));
        await settled();
      }
    },
  };
}

test("sums that were taken are told again when they differ, or after 30 s; a policy that no controller says back is forgotten", async (t) => {
  const heard: KubeObject[] = [];
  const controller: { knows: boolean } = { knows: true };
  const client = {
    create(_resource: unknown, { antreaNetworkPolicies, ...rest }: KubeObject & { antreaNetworkPolicies?: unknown }) {
      heard.push(rest);
      return Promise.resolve(controller.knows ? { ...rest, antreaNetworkPolicies } : rest);
    },
  } as unknown as KubeClient;
  const agent = start(t, { known: [] });
  agent.count(web, "in", packets(1));
  await agent.follow("ours", client);
  await agent.pass(seconds(20));
  assert.equal(heard.length, 1);
  agent.count(web, "in", packets(1));
  await agent.pass(seconds(6));
  assert.equal(heard.length, 2);
  await agent.pass(seconds(60));
  assert.deepEqual([heard.length, agent.forgotten], [4, []]);
  controller.knows = false;
  await agent.pass(seconds(30));
  assert.deepEqual(agent.forgotten, [web.uid]);
});

test("a controller of antrea (Go) is told differences each minute, in its form: rules without a total, what no rule has by itself", async (t) => {
  const agent = start(t);
  const go = goController();
  // What an earlier process may have told is not told again.
  agent.count(web, "in", packets(1_000));
  await agent.follow("go", go.client);
  await agent.firstReading();
  agent.count(web, "in", packets(3));
  agent.count(web, "gone", packets(2));
  agent.count(kube, undefined, packets(7));
  agent.dropRule("gone");
  await agent.pass(seconds(59));
  assert.equal(go.requests.length, 0);
  await agent.pass(seconds(1));
  assert.deepEqual(JSON.parse(JSON.stringify(go.requests)), [
    {
      apiVersion: "controlplane.antrea.io/v1beta2",
      kind: "NodeStatsSummary",
      metadata: { name: "n1" },
      networkPolicies: [{ networkPolicy: kube, trafficStats: packets(7) }],
      antreaNetworkPolicies: [
        { networkPolicy: web, trafficStats: noCounters, ruleTrafficStats: [{ name: "in", trafficStats: packets(3) }] },
        { networkPolicy: web, trafficStats: packets(2) },
      ],
    },
  ]);
  assert.deepEqual(
    [go.held.total.get(web.uid), go.held.rules.get("in"), go.held.total.get(kube.uid)],
    [packets(5), packets(3), packets(7)],
  );
  await agent.pass(seconds(120));
  assert.equal(go.requests.length, 1, "nothing differs");
  agent.count(web, "in", packets(1));
  await agent.pass(seconds(60));
  assert.deepEqual([go.held.total.get(web.uid), go.held.rules.get("in")], [packets(6), packets(4)]);
});

test("what a report that failed had is in the next one, once", async (t) => {
  const agent = start(t);
  const go = goController();
  await agent.firstReading();
  await agent.follow("go", go.client);
  agent.count(web, "in", packets(3));
  go.ways.answer = "refused";
  await agent.pass(seconds(120));
  assert.equal(go.requests.length, 2);
  agent.count(web, "in", packets(4));
  go.ways.answer = "taken";
  await agent.pass(seconds(60));
  assert.deepEqual(go.held.total.get(web.uid), packets(7));
  await agent.pass(seconds(120));
  assert.deepEqual(go.held.total.get(web.uid), packets(7));
});

test("what one kind of controller was told, the other is not told as news; nobody is told before it is known which one is followed", async (t) => {
  const agent = start(t);
  const [go, ours] = [goController(), ourController()];
  await agent.firstReading();
  agent.count(web, "in", packets(1));
  await agent.follow("unknown");
  await agent.pass(seconds(120));
  assert.deepEqual([go.requests.length, ours.total()], [0, undefined]);
  await agent.follow("ours", ours.client);
  await agent.pass(seconds(10));
  assert.deepEqual(ours.total(), packets(1));
  // Counted while ours ends, and told by nobody yet.
  await agent.follow("unknown");
  agent.count(web, "in", packets(10));
  await agent.follow("go", go.client);
  await agent.pass(seconds(60));
  assert.deepEqual(go.held.total.get(web.uid), packets(10));
  agent.count(web, "in", packets(100));
  await agent.follow("ours", ours.client);
  await agent.pass(seconds(60));
  assert.deepEqual([ours.total(), go.held.total.get(web.uid)], [packets(111), packets(10)]);
});

test("an answer that comes late takes nothing back", async (t) => {
  const agent = start(t);
  const [go, ours] = [goController(), ourController()];
  await agent.firstReading();
  await agent.follow("go", go.client);
  agent.count(web, "in", packets(1));
  go.ways.answer = "held";
  await agent.pass(seconds(60));
  agent.count(web, "in", packets(10));
  await agent.follow("ours", ours.client);
  await agent.pass(seconds(10));
  assert.deepEqual(ours.total(), packets(11));
  go.release();
  await agent.follow("go");
  go.ways.answer = "taken";
  agent.count(web, "in", packets(100));
  await agent.pass(seconds(60));
  assert.deepEqual(go.held.total.get(web.uid), packets(101));
});
