import assert from "node:assert/strict";
import { test } from "node:test";
import type { AntreaPolicy, AntreaRule } from "#core/api/antrea/policy.ts";
import { lowerAntreaPolicy } from "./antrea.ts";
import type { LoweringContext } from "./context.ts";

const namespaces = ["a", "b", "c", "d"].map((name, index) => ({
  name,
  labels: index < 3 ? { team: index < 2 ? "one" : "two" } : {},
  logging: false,
}));
const context: LoweringContext = {
  tierPriority: () => undefined,
  group: () => undefined,
  isRefusing: () => false,
  namespaces: () => namespaces.values(),
};
const web = { podSelector: { matchLabels: { app: "web" } } };
function lower(ingress: Partial<AntreaRule>, appliedTo: NonNullable<AntreaPolicy["spec"]>["appliedTo"] = [web]) {
  const spec = { priority: 1, appliedTo, ingress: [{ action: "Drop", ...ingress }] };
  return lowerAntreaPolicy({ metadata: { name: "p", uid: "p" }, spec }, context);
}

test("a field with an empty text is none: the selector beside it counts", () => {
  const { policy, problems } = lower({ from: [{ ...web, group: "", fqdn: "" }] }, [{ ...web, group: "" }]);
  assert.deepEqual(problems, []);
  assert.equal(policy?.rules[0]?.peers.length, 1);
  assert.equal(policy?.appliedTo.length, 1);
});

test("namespaces that see the same share a rule; one without the label has none", () => {
  const rulesOf = (from: AntreaRule["from"]) =>
    lower(from === undefined ? {} : { from }).policy?.rules.map(({ appliedTo, peers }) => [appliedTo.length, peers.length]);
  assert.deepEqual(rulesOf([{ namespaces: { sameLabels: ["team"] } }]), [
    [2, 1],
    [1, 1],
  ]);
  assert.deepEqual(rulesOf([{ namespaces: { match: "Self" } }])?.length, 4);
  assert.deepEqual(rulesOf([{ namespaces: { match: "Self" } }, { namespaces: { sameLabels: ["team"] } }])?.length, 4);
});

test("what a newer API may write fails closed, and is told by its field", () => {
  const action = lower({ action: "Quarantine" });
  assert.equal(action.policy?.rules[0]?.action, "Drop");
  assert.match(action.problems[0] ?? "", /^spec\.ingress\[0\]\.action/);
  for (const rule of [
    { action: "Allow", from: [{ clusters: ["east"] } as never] },
    { action: "Allow", from: [{ podSelector: { matchExpressions: [{ key: "a", operator: "Near" }] } }] },
    { action: "Allow", protocols: [{ gre: {} } as never] },
    { action: "Allow", ports: [{ protocol: "DCCP", port: 1 }] },
  ]) {
    const { policy, problems } = lower(rule);
    assert.equal(policy?.rules.length, 0, JSON.stringify(rule));
    assert.match(problems[0] ?? "", /^spec\.ingress\[0\]\.(from|protocols|ports)\[0\]/);
  }
});
