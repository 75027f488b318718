import assert from "node:assert/strict";
import { test } from "node:test";
import { seconds, seededRandom, sleep, silentLogger, type VirtualClock, virtualClock } from "#lib/runtime/index.ts";
import type { KubeClient } from "./client.ts";
import { KubeApiError, KubeUnreachable } from "./errors.ts";
import { holdLease, leaseDuration, type LeaseHold } from "./hold-lease.ts";
import type { Lease } from "./kinds.ts";

/** One Lease with the API's rule for writes: only over the version that was read. */
function leaseApi() {
  const api: { stored: Lease | undefined; writes: string[] } = { stored: undefined, writes: [] };
  let version = 0;
  const refuse = (reason: string): never => {
    throw new KubeApiError("lease", 409, { kind: "Status", apiVersion: "v1", status: "Failure", reason });
  };
  const store = (lease: Lease): Lease => {
    api.stored = { ...lease, metadata: { ...lease.metadata, resourceVersion: String(++version) } };
    api.writes.push(lease.spec?.holderIdentity ?? "");
    return api.stored;
  };
  const client = (reach: () => boolean, delayed: () => Promise<void>): KubeClient => {
    const asked = async <T>(answer: () => T): Promise<T> => {
      await delayed();
      if (!reach()) throw new KubeUnreachable("api", "cut off");
      return answer();
    };
    return {
      get: () => asked(() => api.stored ?? refuse("NotFound")),
      create: (_: unknown, lease: Lease) => asked(() => (api.stored === undefined ? store(lease) : refuse("AlreadyExists"))),
      update: (_: unknown, lease: Lease) =>
        asked(() => (lease.metadata.resourceVersion === api.stored?.metadata.resourceVersion ? store(lease) : refuse("Conflict"))),
    } as unknown as KubeClient;
  };
  return { api, client };
}

const settle = (): Promise<void> => new Promise((resolve) => setImmediate(() => setImmediate(resolve)));

async function pass(clock: VirtualClock, duration: number): Promise<void> {
  for (let left = duration; left > 0; left -= 500) {
    clock.advance(seconds(0.5));
    await settle();
  }
}

function process(t: { after(run: () => void): void }, lease: ReturnType<typeof leaseApi>, identity: string, clock: VirtualClock) {
  const stop = new AbortController();
  t.after(() => stop.abort());
  const state = { reach: true, gained: 0, answerTime: 0 };
  const delayed = async (): Promise<void> => (state.answerTime === 0 ? undefined : sleep(clock, state.answerTime, stop.signal));
  const runtime = { clock, random: seededRandom(1), logger: silentLogger };
  const hold: LeaseHold = holdLease({
    runtime,
    client: lease.client(() => state.reach, delayed),
    namespace: "kube-system",
    name: "antrea-controller",
    identity,
    signal: stop.signal,
  });
  hold.onGained(() => void state.gained++);
  return { state, hold };
}

test("one of two holds it, and the other takes over only when the first has stopped", async (t) => {
  const clock = virtualClock();
  const lease = leaseApi();
  const a = process(t, lease, "a", clock);
  const b = process(t, lease, "b", clock);
  await settle();
  assert.deepEqual([a.hold.held, b.hold.held], [true, false]);
  await pass(clock, seconds(60));
  assert.deepEqual([a.hold.held, b.hold.held, a.state.gained], [true, false, 1]);
  assert.equal(b.hold.holder, "a");
  // At no moment two: a's own clock ends its hold before b's patience does.
  a.state.reach = false;
  for (let passed = 0; passed < leaseDuration + seconds(3); passed += 100) {
    clock.advance(seconds(0.1));
    await settle();
    assert.ok(!(a.hold.held && b.hold.held), `two hold it after ${passed} ms`);
  }
  assert.deepEqual([a.hold.held, b.hold.held, b.state.gained], [false, true, 1]);
  a.state.reach = true;
  await pass(clock, seconds(20));
  assert.deepEqual([a.hold.held, a.hold.holder], [false, "b"]);
  assert.equal(lease.api.stored?.spec?.leaseTransitions, 2);
});

test("who lost it for a moment, while the API took its time, hears of it when it has it again", async (t) => {
  const clock = virtualClock();
  const { state, hold } = process(t, leaseApi(), "a", clock);
  await settle();
  assert.deepEqual([hold.held, state.gained], [true, 1]);
  // Held for four seconds; the next renewal begins after two and has its second answer after five.
  state.answerTime = seconds(1.5);
  await pass(clock, seconds(4.5));
  assert.equal(hold.held, false);
  await pass(clock, seconds(1));
  assert.deepEqual([hold.held, state.gained], [true, 2]);
});

test("a process that was stopped for a while does not believe that it still holds it", async (t) => {
  const own = virtualClock();
  const others = virtualClock();
  const lease = leaseApi();
  const a = process(t, lease, "a", own);
  await settle();
  assert.ok(a.hold.held);
  const b = process(t, lease, "b", others);
  await pass(others, seconds(10));
  assert.ok(b.hold.held);
  // Its clock runs on while it is stopped; nothing of it has run since.
  const held: boolean[] = [];
  own.after(seconds(10), () => held.push(a.hold.held));
  own.advance(seconds(10));
  assert.deepEqual(held, [false]);
});

test("given back, it is free at once", async (t) => {
  const clock = virtualClock();
  const lease = leaseApi();
  const a = process(t, lease, "a", clock);
  await settle();
  await a.hold.release();
  assert.equal(a.hold.held, false);
  const b = process(t, lease, "b", clock);
  await settle();
  assert.ok(b.hold.held);
});
