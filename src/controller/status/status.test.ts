import assert from "node:assert/strict";
import { test } from "node:test";
import { type NodeReport, realization, withTimes } from "./realization.ts";
import { RealizationReports } from "./reports.ts";

const report = (generation: number, failed = false): NodeReport => ({ generation, failed, message: failed ? "no room" : "" });
const statusOf = (nodes: readonly string[] | undefined, reports: Readonly<Record<string, NodeReport>> = {}) =>
  realization({ generation: 2, nodes, reports: new Map(Object.entries(reports)), unrealizable: undefined });

test("a policy is realized when every node of its span has its generation", () => {
  assert.equal(statusOf(undefined).phase, "Pending");
  assert.deepEqual(counts(statusOf([])), ["Realized", 0, 0]);
  assert.deepEqual(counts(statusOf(["a", "b"], { a: report(2), b: report(1) })), ["Realizing", 1, 2]);
  assert.deepEqual(counts(statusOf(["a", "b"], { a: report(2), b: report(2), gone: report(2) })), ["Realized", 2, 2]);
});

test("a node that cannot enforce it fails it, once all have said so or realized it", () => {
  assert.equal(statusOf(["a", "b"], { a: report(2, true) }).phase, "Realizing");
  const failed = statusOf(["a", "b"], { a: report(2, true), b: report(2) });
  assert.deepEqual(counts(failed), ["Failed", 1, 2]);
  assert.equal(failed.conditions[1]?.message, 'Failed Nodes count 1: "a":"no room"');
});

test("what cannot be enforced says why", () => {
  const unrealizable = { reason: "NetworkPolicyAppliedToUnsupportedGroup", message: "m" };
  const status = realization({ generation: 1, nodes: undefined, reports: new Map(), unrealizable });
  assert.deepEqual([status.phase, status.conditions], ["Pending", [{ type: "Realizable", status: "False", ...unrealizable }]]);
});

test("a condition keeps its time while it says the same", () => {
  const before = [{ type: "Realizable", status: "True", lastTransitionTime: "then" }] as const;
  assert.equal(withTimes([{ type: "Realizable", status: "True" }], before, "now")[0]?.lastTransitionTime, "then");
  assert.equal(withTimes([{ type: "Realizable", status: "False" }], before, "now")[0]?.lastTransitionTime, "now");
});

test("reports that cannot be read say nothing", () => {
  const reports = new RealizationReports();
  for (const nodes of [undefined, "x", [null, 3, {}, { nodeName: "" }]]) reports.take("p", nodes);
  assert.equal(reports.of("p").size, 0);
  reports.take("p", [
    { nodeName: "a", generation: 3 },
    { nodeName: "b", generation: "3", realizationFailure: true, message: "m" },
  ]);
  assert.deepEqual(
    [...reports.of("p")],
    [
      ["a", { generation: 3, failed: false, message: "" }],
      ["b", { generation: 0, failed: true, message: "m" }],
    ],
  );
  reports.forget("p");
  assert.equal(reports.of("p").size, 0);
});

const counts = ({ phase, currentNodesRealized, desiredNodesRealized }: ReturnType<typeof statusOf>) => [
  phase,
  currentNodesRealized,
  desiredNodesRealized,
];
