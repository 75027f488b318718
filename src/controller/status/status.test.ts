import assert from "node:assert/strict";
import { test } from "node:test";
import type { PolicyChange } from "#core/policy/index.ts";
import { type NodeReport, realization, withTimes } from "./realization.ts";
import { RealizationReports, statusesOf } from "./reports.ts";

const report = (generation: number, { failed = false, proven = !failed, revision }: Partial<NodeReport> = {}): NodeReport => ({
  generation,
  revision,
  failed,
  proven,
  message: failed ? "no room" : "",
  at: 0,
});
const statusOf = (nodes: readonly string[] | undefined, reports: Readonly<Record<string, NodeReport>> = {}) =>
  realization({
    generation: 2,
    revision: () => "now",
    staged: false,
    nodes,
    reports: new Map(Object.entries(reports)),
    unrealizable: undefined,
  });

test("a policy is realized when every node of its span has its generation", () => {
  assert.equal(statusOf(undefined).phase, "Pending");
  assert.deepEqual(counts(statusOf([])), ["Realized", 0, 0]);
  assert.deepEqual(counts(statusOf(["a", "b"], { a: report(2), b: report(1) })), ["Realizing", 1, 2]);
  assert.deepEqual(counts(statusOf(["a", "b"], { a: report(2), b: report(2), gone: report(2) })), ["Realized", 2, 2]);
});

test("a node that cannot enforce it fails it, once all have said so or realized it", () => {
  assert.equal(statusOf(["a", "b"], { a: report(2, { failed: true }) }).phase, "Realizing");
  const failed = statusOf(["a", "b"], { a: report(2, { failed: true }), b: report(2) });
  assert.deepEqual(counts(failed), ["Failed", 1, 2]);
  assert.equal(failed.conditions[1]?.message, 'Failed Nodes count 1: "a":"no room"');
});

test("a policy is Enforced when every node of its span has proven its generation; who has not is named", () => {
  const condition = (nodes: readonly string[], reports: Readonly<Record<string, NodeReport>> = {}) => {
    const { status, reason, message } = statusOf(nodes, reports).conditions.find(({ type }) => type === "Enforced") ?? {};
    return [status, reason, message];
  };
  assert.deepEqual(condition([]), ["True", "Proven", "0 of 0 nodes have proven it"]);
  assert.deepEqual(condition(["a", "b"], { a: report(2), b: report(2) }), ["True", "Proven", "2 of 2 nodes have proven it"]);
  const doubting = { ...report(2, { proven: false }), message: "no such socket" };
  assert.deepEqual(condition(["a", "b", "c", "d"], { a: report(2), b: report(1), c: doubting }), [
    "False",
    "NotProven",
    "1 of 4 nodes have proven it; not b, c (no such socket), d",
  ]);
  assert.deepEqual(condition(["a"], { a: report(2, { failed: true }) }).slice(0, 1), ["False"]);
  const many = Array.from({ length: 9 }, (_, index) => `n${index}`);
  assert.match(condition(many)[2] ?? "", /; not n0, n1, n2, n3, n4 and 4 more$/);
  assert.equal(statusOf(["a"], { a: report(2, { proven: false }) }).phase, "Realized", "its rows are right");
  assert.equal(condition(["a"], { a: report(2, { revision: "now" }) })[0], "True");
  assert.equal(condition(["a"], { a: report(2, { revision: "before" }) })[0], "False", "it means something else by now");
  const staged = realization({
    generation: 2,
    revision: () => "now",
    staged: true,
    nodes: ["a"],
    reports: new Map([["a", report(2)]]),
    unrealizable: undefined,
  });
  assert.equal(staged.conditions.at(-1)?.reason, "Staged");
});

test("what cannot be enforced says why", () => {
  const unrealizable = { reason: "NetworkPolicyAppliedToUnsupportedGroup", message: "m" };
  const status = realization({ generation: 1, revision: () => "now", staged: false, nodes: undefined, reports: new Map(), unrealizable });
  assert.deepEqual([status.phase, status.conditions], ["Pending", [{ type: "Realizable", status: "False", ...unrealizable }]]);
});

test("a part that means nothing is named in a condition, and the rest is enforced", () => {
  const status = realization({
    generation: 2,
    revision: () => "now",
    staged: false,
    nodes: ["a"],
    reports: new Map([["a", report(2)]]),
    unrealizable: undefined,
    problems: ["spec.ingress[1].from[0]: selects in no way that is known; it matches nothing"],
  });
  assert.deepEqual(counts(status), ["Realized", 1, 1]);
  assert.deepEqual(status.conditions[0], {
    type: "Realizable",
    status: "False",
    reason: "NotAsWritten",
    message: "spec.ingress[1].from[0]: selects in no way that is known; it matches nothing",
  });
  assert.equal(status.conditions.at(-1)?.status, "True");
});

test("a condition keeps its time while it says the same", () => {
  const before = [{ type: "Realizable", status: "True", lastTransitionTime: "then" }] as const;
  assert.equal(withTimes([{ type: "Realizable", status: "True" }], before, "now")[0]?.lastTransitionTime, "then");
  assert.equal(withTimes([{ type: "Realizable", status: "False" }], before, "now")[0]?.lastTransitionTime, "now");
});

test("reports that cannot be read say nothing", () => {
  const reports = new RealizationReports();
  for (const nodes of [undefined, "x", [null, 3, {}, { nodeName: "" }]]) reports.take("p", nodes, 1);
  assert.equal(reports.of("p").size, 0);
  const told = [
    { nodeName: "a", generation: 3, proven: "yes" },
    { nodeName: "b", generation: "3", realizationFailure: true, proven: true, message: "m" },
    { nodeName: "c", generation: 3, proven: true },
  ];
  reports.take("p", told, 2);
  assert.deepEqual(
    [...reports.of("p")],
    [
      ["a", { direct: true, generation: 3, revision: undefined, failed: false, proven: false, message: "", at: 2 }],
      ["b", { direct: true, generation: 0, revision: undefined, failed: true, proven: false, message: "m", at: 2 }],
      ["c", { direct: true, generation: 3, revision: undefined, failed: false, proven: true, message: "", at: 2 }],
    ],
  );
  reports.take("p", [{ nodeName: "a", generation: 3, proven: true }, told[2]], 5);
  assert.deepEqual([reports.of("p").get("a")?.at, reports.of("p").get("c")?.at], [5, 2], "what is told once more is not new");
});

test("one status, or a list of them, is read; parts that are none are passed over", () => {
  assert.deepEqual(statusesOf("p", { nodes: [1] }), [{ policy: "p", nodes: [1] }]);
  const items = [null, 3, {}, { metadata: null }, { metadata: { name: 7 } }, { metadata: { name: "a" }, nodes: [2] }];
  assert.deepEqual(statusesOf("node", { items }), [{ policy: "a", nodes: [2] }]);
  assert.deepEqual(statusesOf("node", undefined), [{ policy: "node", nodes: undefined }]);
});

test("what is told before the policy is known counts when it is; what left a node, or is gone, counts no more", () => {
  const reports = new RealizationReports();
  const change = (name: string, event: "created" | "changed" | "deleted", lost: readonly string[] = []) =>
    ({ name, event, lost, gained: [] }) as unknown as PolicyChange;
  const told = [
    { nodeName: "a", generation: 1, proven: true },
    { nodeName: "b", generation: 1, proven: true },
  ];
  reports.take("early", told, 1);
  reports.published([change("early", "created"), change("p", "created")]);
  for (let count = 0; count < 2_000; count++) reports.take(`unknown-${count}`, told, 1);
  assert.equal(reports.of("early").size, 2);
  assert.equal(reports.of("unknown-0").size, 0, "of unknown ones a bounded number is kept");
  assert.equal(reports.of("unknown-1999").size, 2);
  reports.published([change("early", "changed", ["a"])]);
  assert.deepEqual([...reports.of("early").keys()], ["b"]);
  reports.published([change("early", "deleted")]);
  assert.equal(reports.of("early").size, 0);
});

const counts = ({ phase, currentNodesRealized, desiredNodesRealized }: ReturnType<typeof statusOf>) => [
  phase,
  currentNodesRealized,
  desiredNodesRealized,
];
