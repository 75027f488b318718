import assert from "node:assert/strict";
import { test } from "node:test";
import { createPolicyObjects } from "#core/policy/index.ts";
import type { Namespace, NetworkPolicy, Pod } from "#lib/kube/index.ts";
import { systemClock, virtualRuntime } from "#lib/runtime/index.ts";
import { createPolicyInputs } from "./inputs.ts";
import { createReportLane, isReport, waitingAtMost } from "./report-lane.ts";
import { reflectionSource } from "./testing/reflection-source.ts";

const { signal } = new AbortController();

test("a flood of reports waits for computing, one between two stretches of it, and computing for none", async () => {
  const { lane, pods, turnsOfComputing, told } = await computing();
  const changes = 400;
  const reports = 2_000;
  const seen = { taken: 0, whenTold: -1 };
  const report = async (): Promise<void> => {
    const over = await lane.admit(signal);
    // Its body comes in later turns.
    await turn();
    seen.taken++;
    over();
  };
  const all = Array.from({ length: reports }, report);
  for (let number = 0; number < changes; number++) pods.upsert(pod(`web-${number}`));
  told.next = () => {
    seen.whenTold = seen.taken;
  };
  await Promise.all(all);
  assert.equal(seen.taken, reports, "what waited has its turn at last");
  assert.ok(seen.whenTold >= 0, "what was computed is told");
  // A stretch takes five changes; what began before the first one is under way beside them.
  assert.ok(turnsOfComputing() >= changes / 5, `${turnsOfComputing()} stretches of computing`);
  assert.ok(
    seen.whenTold <= turnsOfComputing() + 4,
    `${seen.whenTold} reports were taken before ${turnsOfComputing()} stretches of computing ended`,
  );
});

test("a change that comes amid a flood waits for the few reports that are under way, not for those that wait", async () => {
  const { lane, pods, told } = await computing();
  let taken = 0;
  const all = Array.from({ length: 2_000 }, async () => {
    const over = await lane.admit(signal);
    await turn();
    taken++;
    over();
  });
  while (taken < 100) await turn();
  const before = taken;
  let between = -1;
  told.next = () => {
    between = taken - before;
  };
  pods.upsert(pod("late"));
  await Promise.all(all);
  assert.ok(between >= 0 && between <= 8, `${between} reports came before it`);
});

test("a report whose sender goes away, or is slow, keeps no other waiting; too many are refused", async () => {
  const { clock } = virtualRuntime({ seed: 1 });
  const lane = createReportLane({ clock, isComputing: () => false });
  const began: number[] = [];
  const slow = Array.from({ length: 6 }, (_, number) => lane.admit(signal).then(() => began.push(number)));
  clock.advance(0);
  await turn();
  assert.deepEqual(began, [0, 1, 2, 3]);
  clock.advance(1_000);
  await Promise.all(slow);
  assert.deepEqual(began, [0, 1, 2, 3, 4, 5]);

  const leaving = new AbortController();
  const given = lane.admit(leaving.signal);
  leaving.abort(new Error("gone"));
  await assert.rejects(given, /gone/);
  assert.equal(lane.waiting, 0);

  const busy = createReportLane({ clock: { ...clock, soon: () => {} }, isComputing: () => true });
  for (let number = 0; number < waitingAtMost; number++) void busy.admit(signal);
  assert.throws(() => busy.admit(signal), { httpStatus: 429 });
});

test("reports are the status of policies and what was counted, and nothing that is asked", () => {
  const target = {
    kind: "resource",
    path: "",
    parameters: new URLSearchParams(),
    group: "",
    version: "",
    namespace: "",
    name: "",
    rest: "",
  } as const;
  const of = (verb: string, resource: string, subresource = ""): boolean => isReport({ ...target, verb, resource, subresource });
  assert.ok(of("create", "networkpolicies", "status") && of("create", "nodestatssummaries"));
  assert.ok(!of("get", "networkpolicies", "status") && !of("watch", "networkpolicies") && !of("create", "networkpolicyevaluations"));
});

/** Inputs of which each change takes 10 ms to compute, so that a stretch of 50 ms has five. */
async function computing() {
  const [namespaces, pods, policies] = [
    reflectionSource<Namespace>("namespaces"),
    reflectionSource<Pod>("pods"),
    reflectionSource<NetworkPolicy>("networkpolicies"),
  ];
  const virtual = virtualRuntime({ seed: 1 });
  const objects = createPolicyObjects();
  let now = 0;
  let turns = 0;
  let ended = -1;
  const told: { next: (() => void) | undefined } = { next: undefined };
  const clock = { ...virtual.clock, monotonic: () => now, soon: systemClock.soon, after: systemClock.after };
  const inputs = createPolicyInputs({
    runtime: { ...virtual, clock },
    objects: {
      ...objects,
      apply(...change) {
        if (now - ended >= 50) {
          turns++;
          ended = now;
        }
        now += 10;
        objects.apply(...change);
      },
    },
    namespaces: namespaces.reflection,
    pods: pods.reflection,
    policies: policies.reflection,
    publish: ({ policies: changed, appliedToGroups }) => {
      if (changed.length + appliedToGroups.length === 0) return;
      told.next?.();
      told.next = undefined;
    },
  });
  policies.upsert({ metadata: { namespace: "shop", name: "deny", uid: "deny" }, spec: { podSelector: {}, policyTypes: ["Ingress"] } });
  pods.upsert(pod("web"));
  for (const source of [namespaces, pods, policies]) source.list();
  await inputs.whenSynced();
  turns = 0;
  return { lane: createReportLane({ clock, isComputing: () => inputs.isComputing }), pods, told, turnsOfComputing: () => turns };
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

const pod = (name: string): Pod => ({ metadata: { namespace: "shop", name }, spec: { nodeName: "n1", containers: [] } });
