import assert from "node:assert/strict";
import { test } from "node:test";
import { MemberMarks } from "./member-marks.ts";
import { MemberProofs } from "./member-proofs.ts";
import { decodeTold, encodeTold, type Told } from "#core/api/controlplane/index.ts";
import { AgentSessions } from "./agent-sessions.ts";
import { RealizationReports } from "./reports.ts";

const node = "n1";
const told = (id: string, sequence: number, start = 1): Told => ({ session: { start, id }, sequence });
const says = (revision: string): unknown => [{ nodeName: node, generation: 1, revision, proven: true }];

test("what an agent said earlier and arrives later says nothing of that policy; what it said of others does", () => {
  const reports = new RealizationReports();
  reports.take("p", says("old"), 0, told("life", 3));
  reports.take("p", says("new"), 1, told("life", 5));
  reports.take("p", says("old"), 2, told("life", 4));
  reports.take("q", says("old"), 2, told("life", 4));
  assert.deepEqual([reports.of("p").get(node)?.revision, reports.of("q").get(node)?.revision], ["new", "old"]);
  // Told again, word for word.
  reports.take("p", says("new"), 3, told("life", 6));
  reports.take("p", says("old"), 4, told("life", 5));
  assert.equal(reports.of("p").get(node)?.revision, "new");
  // Another life begins to count anew, and the agents of Go don't.
  reports.take("p", says("next"), 5, told("next", 1));
  assert.equal(reports.of("p").get(node)?.revision, "next");
  reports.take("p", says("of Go"), 6);
  assert.equal(reports.of("p").get(node)?.revision, "of Go");
});

test("what another replica passed on does not let in what the agent said before", () => {
  const reports = new RealizationReports();
  reports.take("p", says("first"), 0, told("life", 5));
  const passed = { direct: true, generation: 2, revision: "second", failed: false, proven: true, message: "", at: 1 };
  assert.equal(
    reports.join("p", node, passed, ({ generation }) => generation === 2),
    true,
  );
  reports.take("p", says("zeroth"), 2, told("life", 4));
  assert.equal(reports.of("p").get(node)?.revision, "second");
});

test("a life that is over is refused once a later one was heard, also one that nobody heard before; one whose clock is behind learns what to say", () => {
  const sessions = new AgentSessions();
  const refusal = (id: string, start: number): unknown => {
    try {
      sessions.hear(node, told(id, 1, start));
      return undefined;
    } catch (error) {
      const { httpStatus, details } = error as { readonly httpStatus: number; readonly details: { readonly causes: readonly unknown[] } };
      return [httpStatus, details.causes];
    }
  };
  const later = (start: number): unknown => [409, [{ reason: "LaterSession", message: String(start) }]];
  assert.equal(refusal("a", 10), undefined);
  assert.equal(refusal("a", 10), undefined);
  assert.equal(refusal("c", 30), undefined);
  assert.deepEqual(refusal("a", 10), later(30));
  assert.deepEqual(refusal("b", 20), later(30));
  assert.deepEqual(refusal("d", 5), later(30));
  assert.equal(refusal("d", 31), undefined);
  assert.deepEqual(refusal("c", 30), later(31));
  // Another controller told it more.
  assert.equal(refusal("d", 50), undefined);
  assert.deepEqual(refusal("e", 40), later(50));
  sessions.hear(node, undefined);
  sessions.hear("n2", told("a", 1));
  sessions.forget(node);
  assert.equal(refusal("a", 10), undefined);
});

test("members that were proven stay proven when an earlier word of it arrives", () => {
  const proofs = new MemberProofs({ marks: new MemberMarks(), isKnown: () => true });
  const contains = (pods: string): string => JSON.stringify({ cluster: "c", pods, namespaces: "1", networkpolicies: "1", changed: {} });
  proofs.take(node, contains("10"), 0, told("life", 2));
  const mark = { cluster: "c", pods: "10", namespaces: "1", networkpolicies: "1", changed: {} };
  proofs.changed(new Map([[node, { number: 1, computed: { ...mark, pods: "20" } }]]), 1);
  proofs.take(node, contains("20"), 2, told("life", 4));
  assert.equal(proofs.isWaiting, false);
  proofs.changed(new Map([[node, { number: 2, computed: { ...mark, pods: "30" } }]]), 3);
  proofs.take(node, contains("30"), 4, told("life", 3));
  assert.equal(proofs.isWaiting, true, "whatever it claims, it was said before");
});

test("where a report stands is read totally", () => {
  assert.deepEqual(decodeTold(encodeTold(told("a", 0, 17))), told("a", 0, 17));
  const bodies = [
    undefined,
    null,
    1,
    {},
    "x",
    { session: "", sequence: 1 },
    { session: "1-a" },
    { session: "1-a", sequence: -1 },
    { session: "1-a", sequence: 0.5 },
  ];
  const sessions = ["a", "-a", "1-", "1-A", `1-${"a".repeat(33)}`, `${"1".repeat(16)}-a`, "1.5-a", {}, 7];
  for (const body of [...bodies, ...sessions.map((session) => ({ session, sequence: 1 }))]) assert.equal(decodeTold(body), undefined);
});
