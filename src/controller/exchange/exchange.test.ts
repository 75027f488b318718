import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { PolicyReference } from "#core/api/controlplane/index.ts";
import { KubeUnreachable } from "#lib/kube/errors.ts";
import type { KubeClient, ListOptions } from "#lib/kube/index.ts";
import { seconds, seededRandom, silentLogger, type VirtualClock, virtualClock } from "#lib/runtime/index.ts";
import { NodeReports } from "../statistics/node-reports.ts";
import { RealizationReports } from "../status/reports.ts";
import { type Exchange, exchangeReports } from "./exchange.ts";
import { decodeKnowledge, encodeKnowledge } from "./node-report.ts";

const policy: PolicyReference = { type: "AntreaNetworkPolicy", namespace: "shop", name: "web", uid: "u1" };
const isPolicy = (uid: string): boolean => uid === "u1";

const enforcedReport = { generation: 1, revision: "r", failed: false, proven: true, message: "", direct: true, at: 0 } as const;

interface Replica {
  readonly exchange: Exchange;
  readonly counted: NodeReports;
  readonly enforced: RealizationReports;
  stop(): void;
  heard(node: string, sessions: number): void;
}

/** Replicas by name; `hung` answer nothing. */
function createReplicas(clock: VirtualClock) {
  const replicas = new Map<string, Replica>();
  const hung = new Set<string>();
  let questions = 0;
  const clientOf = (name: string): KubeClient =>
    ({
      async list(_: unknown, { parameters = {}, signal = new AbortController().signal }: ListOptions = {}) {
        questions++;
        const found = replicas.get(name);
        if (found === undefined) throw new KubeUnreachable(`http://${name}`, new Error("refused"));
        if (hung.has(name)) await new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
        const { store } = found.exchange.definition;
        if (store === "durable" || store.list === undefined) throw new Error("it cannot be listed");
        const context = { parameters: new URLSearchParams(parameters), signal } as Parameters<typeof store.list>[1];
        const { resourceVersion, items } = await store.list({ labelSelector: [], fieldSelector: [] }, context);
        return JSON.parse(JSON.stringify({ metadata: { resourceVersion }, items }));
      },
    }) as unknown as KubeClient;
  let runs = 0;
  const clients = new Map(["one", "two"].map((name) => [name, clientOf(name)]));
  const start = (name: string): Replica => {
    runs++;
    const stopping = new AbortController();
    const origin = `run${runs}`;
    const counted = new NodeReports({ ownEpoch: `${runs}-${origin}`, changed: (node, uid) => exchange.changed(node, uid) });
    const enforced = new RealizationReports((node, uid) => exchange.changed(node, uid));
    const exchange = exchangeReports({
      runtime: { clock, random: seededRandom(runs), logger: silentLogger },
      origin,
      peers: {
        known: () => [...clients].map(([peer, client]) => ({ name: peer, client })),
        whenKnown: () => Promise.resolve(),
        onChange: () => () => {},
      },
      ready: () => Promise.resolve(),
      statistics: {
        on: (node, uid) => counted.on(node, uid),
        join(node, known) {
          for (const [uid, each] of known.counted) counted.join(node, uid, each, isPolicy);
          if (known.heard) counted.hear(node);
        },
      },
      enforced: {
        on: (node, uid) => enforced.of(uid).get(node),
        join: (node, uid, report) => void enforced.join(uid, node, report, ({ generation }) => generation === 2),
      },
      signal: stopping.signal,
    });
    const replica: Replica = {
      exchange,
      counted,
      enforced,
      stop() {
        stopping.abort();
        if (replicas.get(name) === replica) replicas.delete(name);
      },
      heard(node, sessions) {
        const total = { sessions, packets: sessions, bytes: sessions };
        counted.take({ node, epoch: "1-a", policies: [{ policy, total, rules: new Map() }] }, isPolicy);
      },
    };
    replicas.set(name, replica);
    return replica;
  };
  return { start, hung, asked: () => questions };
}

const turns = async (): Promise<void> => {
  for (let count = 0; count < 20; count++) await new Promise((resolve) => setImmediate(resolve));
};
/** Lets time pass until it is so. */
async function until(clock: VirtualClock, what: () => boolean): Promise<void> {
  for (let step = 0; step < 500 && !what(); step++) {
    await turns();
    clock.advance(100);
  }
  assert.ok(what());
}
async function settled<Value>(clock: VirtualClock, promise: Promise<Value>): Promise<Value> {
  let done = false;
  const marked = promise.finally(() => {
    done = true;
  });
  await until(clock, () => done);
  return marked;
}

test("what a node told one replica, the other knows; and one that was restarted knows what it forgot", async (t) => {
  const clock = virtualClock();
  const { start } = createReplicas(clock);
  const [one, two] = [start("one"), start("two")];
  t.after(() => two.stop());
  one.heard("node-1", 5);
  two.heard("node-2", 7);
  one.enforced.take("u1", [{ nodeName: "node-1", generation: 2, proven: true }], 0);
  await until(clock, () => one.counted.of("u1").total.sessions === 12 && two.counted.of("u1").total.sessions === 12);
  assert.equal(two.enforced.of("u1").get("node-1")?.proven, true);
  assert.ok(two.counted.knows("node-1"));
  one.stop();
  const again = start("one");
  t.after(() => again.stop());
  await settled(clock, again.exchange.whenHeard());
  assert.equal(again.counted.of("u1").total.sessions, 12);
  assert.equal(again.enforced.of("u1").get("node-1")?.generation, 2);
});

test("a sum is told when the other replica has it, or when that one tells nothing any more, because it hangs", async (t) => {
  const clock = virtualClock();
  const { start, hung } = createReplicas(clock);
  const [one, two] = [start("one"), start("two")];
  t.after(() => one.stop());
  t.after(() => two.stop());
  one.heard("node-1", 5);
  await until(clock, () => two.counted.of("u1").total.sessions === 5);
  one.heard("node-1", 6);
  await settled(clock, one.exchange.whenShared());
  assert.equal(two.counted.of("u1").total.sessions, 6);
  // From now on the other one's questions come to nothing.
  hung.add("one");
  one.heard("node-1", 7);
  await settled(clock, one.exchange.whenShared());
  one.heard("node-1", 8);
  await settled(clock, one.exchange.whenShared());
  const known = two.counted.of("u1").total.sessions;
  assert.ok(known < 8);
  // It knows that it may be behind, and asks before it tells; as far as that helps.
  const asked = clock.monotonic();
  await settled(clock, two.exchange.whenHeard());
  assert.ok(clock.monotonic() - asked <= seconds(2));
  hung.delete("one");
  await settled(clock, two.exchange.whenHeard());
  assert.equal(two.counted.of("u1").total.sessions, 8);
  // Who was away is waited for again.
  one.heard("node-1", 9);
  await settled(clock, one.exchange.whenShared());
  assert.equal(two.counted.of("u1").total.sessions, 9);
});

test("replicas that have nothing to tell each other ask rarely", async (t) => {
  const clock = virtualClock();
  const { start, asked } = createReplicas(clock);
  const [one, two] = [start("one"), start("two")];
  t.after(() => one.stop());
  t.after(() => two.stop());
  await settled(clock, Promise.all([one.exchange.whenHeard(), two.exchange.whenHeard()]));
  const [began, before] = [clock.monotonic(), asked()];
  await until(clock, () => clock.monotonic() - began >= seconds(10));
  // Each asks the other once a second.
  assert.ok(asked() - before <= 2 * 12, `${asked() - before} questions`);
});

test("what an agent says here holds against what another replica heard before", () => {
  const reports = new RealizationReports();
  const heard = { generation: 2, revision: "r", failed: false, proven: true, message: "", at: 0, direct: true };
  const present = ({ generation }: { readonly generation: number }): boolean => generation === 2;
  assert.ok(reports.join("u1", "node-1", heard, present));
  assert.ok(!reports.join("u1", "node-1", heard, present));
  reports.take("u1", [{ nodeName: "node-1", generation: 2, revision: "r", realizationFailure: true }], 1);
  assert.ok(!reports.join("u1", "node-1", heard, present));
  assert.equal(reports.of("u1").get("node-1")?.failed, true);
  // Of the policy as it was.
  reports.take("u1", [{ nodeName: "node-1", generation: 1, revision: "r" }], 1);
  assert.ok(reports.join("u1", "node-1", heard, present));
});

test("who is told of a node's enforcement alone does not take the node for one that has told what it counted", async () => {
  const clock = virtualClock();
  const { start } = createReplicas(clock);
  const [one, two] = [start("one"), start("two")];
  one.enforced.join("u1", "node-1", { ...enforcedReport }, () => true);
  await until(clock, () => two.enforced.of("u1").has("node-1"));
  assert.ok(!two.counted.knows("node-1"));
  one.heard("node-1", 3);
  await until(clock, () => two.counted.knows("node-1"));
  assert.equal(two.counted.of("u1").total.sessions, 3);
  one.stop();
  two.stop();
});

test("what replicas tell each other reads back; anything else is a value, not an exception", () => {
  const total = { sessions: 1, packets: 2, bytes: 3 };
  const knowledge = {
    node: "node-1",
    heard: true,
    counted: new Map([
      ["u1", { epochs: new Map([["2-b", { total, rules: new Map([["in", total]]) }]]), former: { through: "1-a", total } }],
      ["u2", { epochs: new Map() }],
    ]),
    enforced: new Map([["u1", { generation: 1, revision: "r", failed: false, proven: true, message: "m", direct: true, at: 7 }]]),
  };
  assert.deepEqual(decodeKnowledge(JSON.parse(JSON.stringify(encodeKnowledge(knowledge))), 7), { ok: true, value: knowledge });
  fc.assert(fc.property(fc.jsonValue(), (value) => typeof decodeKnowledge(value, 0).ok === "boolean"));
  const field = fc.constantFrom("metadata", "counted", "enforced", "name", "policy", "epochs", "epoch", "former", "rules", "sessions");
  const near = fc.letrec((tie) => ({
    value: fc.oneof(
      { depthSize: "small" },
      fc.string(),
      fc.integer(),
      fc.array(tie("value"), { maxLength: 3 }),
      fc.dictionary(field, tie("value")),
    ),
  })).value;
  fc.assert(fc.property(near, (value) => typeof decodeKnowledge(value, 0).ok === "boolean"));
});
