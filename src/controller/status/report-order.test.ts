import assert from "node:assert/strict";
import { test } from "node:test";
import { MemberMarks } from "./member-marks.ts";
import { MemberProofs } from "./member-proofs.ts";
import { AgentSessions, toldOf } from "./report-order.ts";
import { RealizationReports } from "./reports.ts";

const node = "n1";
const says = (revision: string): unknown => [{ nodeName: node, generation: 1, revision, proven: true }];

test("what an agent said earlier and arrives later says nothing of that policy; what it said of others does", () => {
  const reports = new RealizationReports();
  const session = "life";
  reports.take("p", says("old"), 0, { session, sequence: 3 });
  reports.take("p", says("new"), 1, { session, sequence: 5 });
  reports.take("p", says("old"), 2, { session, sequence: 4 });
  reports.take("q", says("old"), 2, { session, sequence: 4 });
  assert.deepEqual([reports.of("p").get(node)?.revision, reports.of("q").get(node)?.revision], ["new", "old"]);
  // Told again, word for word.
  reports.take("p", says("new"), 3, { session, sequence: 6 });
  reports.take("p", says("old"), 4, { session, sequence: 5 });
  assert.equal(reports.of("p").get(node)?.revision, "new");
  // Another life begins to count anew, and the agents of Go don't.
  reports.take("p", says("next"), 5, { session: "next", sequence: 1 });
  assert.equal(reports.of("p").get(node)?.revision, "next");
  reports.take("p", says("of Go"), 6);
  assert.equal(reports.of("p").get(node)?.revision, "of Go");
});

test("what another replica passed on does not let in what the agent said before", () => {
  const reports = new RealizationReports();
  reports.take("p", says("first"), 0, { session: "life", sequence: 5 });
  const passed = { direct: true, generation: 2, revision: "second", failed: false, proven: true, message: "", at: 1 };
  assert.equal(
    reports.join("p", node, passed, ({ generation }) => generation === 2),
    true,
  );
  reports.take("p", says("zeroth"), 2, { session: "life", sequence: 4 });
  assert.equal(reports.of("p").get(node)?.revision, "second");
});

test("a life that is over is not heard any more, once another was", () => {
  const sessions = new AgentSessions();
  const heard = (session: string): boolean => sessions.isPresent(node, { session, sequence: 1 });
  assert.deepEqual(
    [heard("a"), heard("a"), heard("b"), heard("a"), heard("b"), heard("c"), heard("a")],
    [true, true, true, false, true, true, false],
  );
  assert.equal(sessions.isPresent(node, undefined), true);
  assert.equal(sessions.isPresent("n2", { session: "a", sequence: 1 }), true);
  sessions.forget(node);
  assert.equal(heard("a"), true);
});

test("members that were proven stay proven when an earlier word of it arrives", () => {
  const proofs = new MemberProofs({ marks: new MemberMarks(), isKnown: () => true });
  const contains = (pods: string): string => JSON.stringify({ cluster: "c", pods, namespaces: "1", networkpolicies: "1", changed: {} });
  proofs.take(node, contains("10"), 0, { session: "life", sequence: 2 });
  const mark = { cluster: "c", pods: "10", namespaces: "1", networkpolicies: "1", changed: {} };
  proofs.changed(new Map([[node, { number: 1, computed: { ...mark, pods: "20" } }]]), 1);
  proofs.take(node, contains("20"), 2, { session: "life", sequence: 4 });
  assert.equal(proofs.isWaiting, false);
  proofs.changed(new Map([[node, { number: 2, computed: { ...mark, pods: "30" } }]]), 3);
  proofs.take(node, contains("30"), 4, { session: "life", sequence: 3 });
  assert.equal(proofs.isWaiting, true, "whatever it claims, it was said before");
});

test("where a report stands is read totally", () => {
  assert.deepEqual(toldOf({ session: "a", sequence: 0 }), { session: "a", sequence: 0 });
  for (const body of [
    undefined,
    null,
    1,
    {},
    { session: "", sequence: 1 },
    { session: "a" },
    { session: "a", sequence: -1 },
    { session: "a".repeat(65), sequence: 1 },
    { session: "a", sequence: 0.5 },
    { session: {}, sequence: 1 },
  ])
    assert.equal(toldOf(body), undefined);
});
