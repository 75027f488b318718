import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { PolicyReference } from "#core/api/controlplane/index.ts";
import type { Counters, NodeSummary } from "#core/statistics/index.ts";
import { NodeReports } from "./node-reports.ts";

const policy: PolicyReference = { type: "AntreaNetworkPolicy", namespace: "shop", name: "web", uid: "u1" };
const counters = (sessions: number): Counters => ({ sessions, packets: sessions * 2, bytes: sessions * 100 });
const summary = (node: string, epoch: string | undefined, sessions: number): NodeSummary => ({
  node,
  epoch,
  policies: [{ policy, total: counters(sessions), rules: new Map([["in", counters(sessions)]]) }],
});
const everything = (): boolean => true;

test("sums of nodes are added, and the newest of each counts, however often and in which order they come", () => {
  const reports = new NodeReports({ ownEpoch: "9-own" });
  for (const told of [summary("a", "1", 5), summary("b", "1", 7), summary("a", "1", 9), summary("a", "1", 5), summary("b", "1", 7)])
    reports.take(told, everything);
  assert.deepEqual(reports.of("u1").total, counters(16));
  assert.deepEqual([...reports.of("u1").rules], [["in", counters(16)]]);
});

test("a node that lost what it knew goes on from its last sum, and a late report of before changes nothing", () => {
  const reports = new NodeReports({ ownEpoch: "9-own" });
  for (const told of [summary("a", "1", 5), summary("a", "2", 1), summary("a", "1", 5), summary("a", "2", 3)])
    reports.take(told, everything);
  assert.deepEqual(reports.of("u1").total, counters(8));
});

test("what agents of antrea (Go) tell is added up", () => {
  const reports = new NodeReports({ ownEpoch: "9-own" });
  for (const told of [summary("a", undefined, 5), summary("a", undefined, 2), summary("b", "1", 1)]) reports.take(told, everything);
  assert.deepEqual(reports.of("u1").total, counters(8));
});

test("policies that are gone have none", () => {
  const reports = new NodeReports({ ownEpoch: "9-own" });
  reports.take(summary("a", "1", 5), () => false);
  assert.deepEqual(reports.of("u1").total, counters(0));
  reports.take(summary("a", "1", 5), everything);
  reports.forget("u1");
  assert.deepEqual(reports.of("u1").total, counters(0));
});

test("two replicas that heard the same reports in any order, some of them twice, tell the same, and it never went backwards", () => {
  const told = fc.array(fc.record({ node: fc.constantFrom("a", "b", "c"), grown: fc.nat(5) }), { minLength: 1, maxLength: 12 });
  fc.assert(
    fc.property(
      told.chain((steps) =>
        fc.record({
          steps: fc.constant(steps),
          order: fc.shuffledSubarray([...steps.keys(), ...steps.keys()], { minLength: steps.length * 2 }),
        }),
      ),
      ({ steps, order }) => {
        const sums = new Map<string, number>();
        const sent = steps.map(({ node, grown }) => {
          sums.set(node, (sums.get(node) ?? 0) + grown);
          return summary(node, "1", sums.get(node) ?? 0);
        });
        const [one, other] = [new NodeReports({ ownEpoch: "9-own" }), new NodeReports({ ownEpoch: "9-own" })];
        for (const each of sent) one.take(each, everything);
        let last = 0;
        for (const index of order) {
          const each = sent[index];
          if (each !== undefined) other.take(each, everything);
          assert.ok(other.of("u1").total.sessions >= last);
          last = other.of("u1").total.sessions;
        }
        assert.deepEqual(one.of("u1").total, other.of("u1").total);
      },
    ),
  );
});
