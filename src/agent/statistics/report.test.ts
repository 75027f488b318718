import assert from "node:assert/strict";
import { test } from "node:test";
import type { PolicyReference } from "#core/api/controlplane/index.ts";
import { type Counters, noCounters, type PolicyCounters, plus } from "#core/statistics/index.ts";
import type { KubeClient, KubeObject } from "#lib/kube/index.ts";
import { type Duration, seconds, seededRandom, silentLogger, virtualClock } from "#lib/runtime/index.ts";
import { reportStatistics } from "./report.ts";

const web: PolicyReference = { type: "AntreaNetworkPolicy", namespace: "shop", name: "web", uid: "u-web" };
const packets = (count: number): Counters => ({ sessions: count, packets: count, bytes: count * 100 });

/** An agent that counts, under a clock that stands still unless told. */
function start(t: { after(run: () => void): void }, controller: KubeClient) {
  const clock = virtualClock();
  const stop = new AbortController();
  t.after(() => stop.abort());
  let total = noCounters;
  const forgotten: string[] = [];
  const listeners: { changed: () => void } = { changed: () => {} };
  reportStatistics({
    runtime: { clock, random: seededRandom(1), logger: silentLogger },
    statistics: {
      epoch: "e",
      policies: (): readonly PolicyCounters[] => [{ policy: web, total, rules: new Map() }],
      forget: (uid) => void forgotten.push(uid),
      onChange(listener) {
        listeners.changed = listener;
        return () => {};
      },
    },
    clients: () => [controller],
    onClientsChange() {},
    takesSums: () => true,
    node: "n1",
    known: () => new Set(),
    signal: stop.signal,
  });
  return {
    forgotten,
    count(more: Counters): void {
      total = plus(total, more);
      listeners.changed();
    },
    async pass(duration: Duration) {
      for (let left = duration; left > 0; left -= seconds(1)) {
        clock.advance(seconds(1));
        for (let turn = 0; turn < 8; turn++) await new Promise((resolve) => setImmediate(resolve));
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
  const agent = start(t, client);
  await agent.pass(seconds(20));
  assert.equal(heard.length, 1);
  agent.count(packets(1));
  await agent.pass(seconds(6));
  assert.equal(heard.length, 2);
  await agent.pass(seconds(60));
  assert.deepEqual([heard.length, agent.forgotten], [4, []]);
  controller.knows = false;
  await agent.pass(seconds(30));
  assert.deepEqual(agent.forgotten, [web.uid]);
});
