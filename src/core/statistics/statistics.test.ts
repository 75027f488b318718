import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { PolicyReference } from "#core/api/controlplane/index.ts";
import { type Counters, noCounters, plus } from "./counters.ts";
import { differences } from "./differences.ts";
import { readStatistics, writeStatistics } from "./state-text.ts";
import { decodeSummary, encodeSummary } from "./summary.ts";
import { createTally, type FlowReading, type RuleName, type TallyState } from "./tally.ts";

const shop: PolicyReference = { type: "AntreaNetworkPolicy", namespace: "shop", name: "web", uid: "u1" };
const names = new Map<number, RuleName>([
  [1, { policy: shop, rule: "in", action: "Allow" }],
  [2, { policy: shop, rule: "out", action: "Drop" }],
  [3, { policy: shop, rule: "in", action: "Pass" }],
]);
const nameOf = (ruleId: number): RuleName | undefined => names.get(ruleId);
const reading = (key: string, ruleId: number, packets: number, kind: FlowReading["kind"] = "rule"): FlowReading => ({
  key,
  ruleId,
  kind,
  packets,
  bytes: packets * 100,
});
const counters = (sessions: number, packets: number): Counters => ({ sessions, packets, bytes: packets * 100 });
const checksum = (content: string): string => String(content.length);

function started(state?: TallyState) {
  const tally = createTally({ nameOf, state });
  tally.begin(state === undefined ? "new" : "same", state?.switchMark ?? 7);
  return tally;
}

test("a rule counts its own packets as sessions, those of connections it admitted not; Pass counts nothing", () => {
  const tally = started();
  for (const each of [reading("a", 1, 5), reading("b", 1, 20, "known"), reading("c", 2, 3), reading("d", 3, 9)]) tally.read(each);
  tally.readAll();
  const [policy] = tally.policies();
  assert.deepEqual(policy?.total, counters(8, 28));
  assert.deepEqual(
    [...(policy?.rules ?? [])],
    [
      ["in", counters(5, 25)],
      ["out", counters(3, 3)],
    ],
  );
});

test("a rule that moves to another flow goes on counting, and so does one that the policy has under the same name", () => {
  const tally = started();
  tally.read(reading("a", 1, 5));
  tally.readAll();
  tally.removed(reading("a", 1, 6));
  tally.read(reading("b", 1, 2));
  tally.readAll();
  assert.deepEqual(tally.policies()[0]?.total, counters(8, 8));
  tally.keepRules("u1", new Set(["other"]));
  assert.deepEqual([tally.policies()[0]?.rules.size, tally.policies()[0]?.total], [0, counters(8, 8)]);
  tally.forget("u1");
  assert.deepEqual(tally.policies(), []);
});

test("what was counted before its rule has a name waits for it", () => {
  const late = new Map<number, RuleName>();
  const tally = createTally({ nameOf: (ruleId) => late.get(ruleId) });
  tally.begin("new", 1);
  tally.read(reading("a", 1, 5));
  tally.readAll();
  assert.deepEqual(tally.policies(), []);
  late.set(1, { policy: shop, rule: "in", action: "Allow" });
  assert.deepEqual(tally.policies()[0]?.total, counters(5, 5));
});

test("an entry that begins at zero again is counted on, whether or not its end was told", () => {
  const tally = started();
  tally.read(reading("a", 1, 20, "known"));
  tally.readAll();
  tally.read(reading("a", 1, 3, "known"));
  tally.removed(reading("a", 1, 4, "known"));
  tally.read(reading("a", 1, 2, "known"));
  assert.deepEqual(tally.policies()[0]?.total, counters(0, 26));
});

test("counters that nobody knows the history of are where counting begins", () => {
  const tally = createTally({ nameOf });
  tally.begin("unknown", 1);
  tally.read(reading("a", 1, 500));
  tally.readAll();
  tally.read(reading("a", 1, 503));
  assert.deepEqual(tally.policies()[0]?.total, counters(3, 3));
});

/** A switch as it is, and what really happened. */
interface World {
  readonly flows: Map<string, FlowReading>;
  real: Counters;
  mark: number;
}
type Event =
  | { readonly type: "packets"; readonly flow: number; readonly packets: number }
  | { readonly type: "read" | "agent" | "switch" | "reconnect" }
  | { readonly type: "remove"; readonly flow: number };

const event: fc.Arbitrary<Event> = fc.oneof(
  fc.record({ type: fc.constant("packets" as const), flow: fc.nat(3), packets: fc.integer({ min: 1, max: 9 }) }),
  fc.record({ type: fc.constantFrom("read" as const, "agent" as const, "switch" as const, "reconnect" as const) }),
  fc.record({ type: fc.constant("remove" as const), flow: fc.nat(3) }),
);

test("through all restarts of agent and switch, and flows that come and go, sums are what passed, but for what a switch took with it", () => {
  fc.assert(
    fc.property(fc.array(event, { maxLength: 60 }), (events) => {
      const world: World = { flows: new Map(), real: noCounters, mark: 1 };
      let tally = createTally({ nameOf });
      const readEverything = (): void => {
        for (const flow of world.flows.values()) tally.read(flow);
        tally.readAll();
      };
      tally.begin("new", world.mark);
      readEverything();
      let kept = tally.state();
      const total = (): Counters => tally.policies()[0]?.total ?? noCounters;
      let unread = noCounters;
      let last = noCounters;
      for (const each of events) {
        switch (each.type) {
          case "packets": {
            const key = `f${each.flow}`;
            const before = world.flows.get(key)?.packets ?? 0;
            world.flows.set(key, reading(key, 1 + (each.flow % 2), before + each.packets));
            world.real = plus(world.real, counters(each.packets, each.packets));
            unread = plus(unread, counters(each.packets, each.packets));
            break;
          }
          case "remove": {
            const gone = world.flows.get(`f${each.flow}`);
            world.flows.delete(`f${each.flow}`);
            if (gone !== undefined) tally.removed(gone);
            kept = tally.state();
            break;
          }
          case "read":
            readEverything();
            kept = tally.state();
            unread = noCounters;
            break;
          case "reconnect":
            tally.begin("same", world.mark);
            readEverything();
            unread = noCounters;
            break;
          case "agent":
            tally = createTally({ nameOf, state: kept });
            tally.begin("same", world.mark);
            readEverything();
            kept = tally.state();
            unread = noCounters;
            break;
          case "switch":
            // What nobody read is gone with it, at most.
            readEverything();
            world.flows.clear();
            world.mark++;
            tally.begin("new", world.mark);
            readEverything();
            kept = tally.state();
            unread = noCounters;
            break;
        }
        const now = total();
        assert.ok(now.packets >= last.packets, "a sum went backwards");
        assert.ok(
          now.packets <= world.real.packets && now.packets >= world.real.packets - unread.packets,
          `${now.packets} of ${world.real.packets}`,
        );
        last = now;
      }
      readEverything();
      assert.deepEqual(total(), world.real);
    }),
  );
});

test("what is kept reads back as it was, and anything else is refused", () => {
  const tally = started();
  tally.read(reading("a", 1, 5));
  tally.read(reading("b", 1, 20, "known"));
  tally.readAll();
  const kept = { epoch: "e", ...tally.state() };
  const text = writeStatistics(kept, checksum);
  assert.deepEqual(readStatistics(text, checksum), kept);
  assert.throws(() => readStatistics(text.replace("u1", "u12"), checksum), { code: "DAMAGED_STATISTICS" });
  assert.throws(() => readStatistics("antrea-statistics/1 2\n[]\n", checksum), { code: "DAMAGED_STATISTICS" });
  fc.assert(
    fc.property(fc.json(), (content) => {
      try {
        readStatistics(`antrea-statistics/1 ${checksum(content)}\n${content}\n`, checksum);
      } catch (error) {
        assert.equal((error as { readonly code?: string }).code, "DAMAGED_STATISTICS");
      }
    }),
  );
});

test("a summary reads back; antrea (Go)'s, with differences, is told from ours; whatever else comes is refused with its place", () => {
  const policies = [
    { policy: shop, total: counters(8, 28), rules: new Map([["in", counters(5, 25)]]) },
    { policy: { type: "K8sNetworkPolicy", namespace: "shop", name: "a", uid: "u2" }, total: counters(1, 2), rules: new Map() },
  ] as const;
  const summary = { node: "n1", epoch: "e", policies: [policies[1], policies[0]] };
  assert.deepEqual(decodeSummary(JSON.parse(JSON.stringify(encodeSummary(summary)))), { ok: true, value: summary });
  const fromGo = {
    metadata: { name: "n1", creationTimestamp: null },
    networkPolicies: null,
    antreaNetworkPolicies: [
      {
        networkPolicy: shop,
        trafficStats: {},
        ruleTrafficStats: [{ name: "in", trafficStats: { packets: 3, bytes: 300, sessions: 1 } }],
      },
    ],
  };
  const read = decodeSummary(fromGo);
  assert.deepEqual(read.ok && [read.value.epoch, read.value.policies[0]?.total], [undefined, { packets: 3, bytes: 300, sessions: 1 }]);
  assert.deepEqual(
    decodeSummary({ metadata: { name: "n1" }, networkPolicies: [{ networkPolicy: { uid: "u" }, trafficStats: { packets: -1 } }] }),
    {
      ok: false,
      path: "NodeStatsSummary.networkPolicies[0].trafficStats.packets",
      reason: `-1 is not a whole number from 0 to ${Number.MAX_VALUE}`,
    },
  );
  fc.assert(fc.property(fc.jsonValue(), (value) => void decodeSummary(value)));
});

test("differences one after the other are what passed, whatever rules went and came back between", () => {
  const step = fc.oneof(
    fc.record({ type: fc.constant("count" as const), ruleId: fc.integer({ min: 1, max: 2 }), packets: fc.integer({ min: 1, max: 9 }) }),
    fc.constantFrom({ type: "drop" as const }, { type: "tell" as const }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const tally = started();
      const told = { total: noCounters };
      let before = tally.policies();
      const tell = (): void => {
        const now = tally.policies();
        for (const { total, rules } of differences(now, before)) {
          assert.ok(rules.size === 0 || total === noCounters, "a controller of antrea (Go) would pass over the rules");
          for (const more of rules.size > 0 ? rules.values() : [total]) {
            assert.ok(more.packets > 0);
            told.total = plus(told.total, more);
          }
        }
        before = now;
      };
      let number = 0;
      let real = noCounters;
      for (const each of steps) {
        number++;
        if (each.type === "tell") tell();
        if (each.type === "drop") tally.keepRules("u1", new Set(["out"]));
        if (each.type === "count") {
          tally.read(reading(`flow ${number}`, each.ruleId, each.packets));
          real = plus(real, counters(each.packets, each.packets));
        }
      }
      tell();
      assert.deepEqual(told.total, real);
    }),
  );
});
