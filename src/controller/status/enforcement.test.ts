import assert from "node:assert/strict";
import { test } from "node:test";
import { createPolicyEngine, lowerKubernetesPolicy, podRow } from "#core/policy/index.ts";
import { ChangeTimes } from "./change-times.ts";
import { describeEnforcement } from "./enforcement.ts";
import { RealizationReports } from "./reports.ts";

test("of each node of the span: what it told, and how long after it was told itself", () => {
  const engine = createPolicyEngine();
  const times = new ChangeTimes();
  const reports = new RealizationReports();
  const pod = (name: string, nodeName: string): void =>
    engine.upsertPod(podRow({ metadata: { namespace: "shop", name, labels: {} }, spec: { nodeName, containers: [] } }));
  const policy = (generation: number): void =>
    engine.upsertPolicy(
      lowerKubernetesPolicy({
        metadata: { namespace: "shop", name: "p", uid: "u", generation },
        spec: { podSelector: {}, policyTypes: generation > 1 ? ["Egress"] : ["Ingress"] },
      }).policy,
    );
  const flush = (at: number): void => times.take(engine.flush().policies, at);
  const nodes = () => {
    const view = engine.policy("u");
    assert.ok(view !== undefined);
    return describeEnforcement({ policy: view, reports: reports.of("u"), times }).nodes.map(
      ({ nodeName, state, afterMilliseconds, generation }) => `${nodeName} ${state} ${generation} ${afterMilliseconds ?? "-"}`,
    );
  };
  pod("one", "n1");
  policy(1);
  flush(100);
  reports.take("u", [{ nodeName: "n1", generation: 1, proven: true }], 130);
  assert.deepEqual(nodes(), ["n1 Proven 1 -"], "what was there before the controller has no beginning");

  policy(2);
  flush(200);
  assert.deepEqual(nodes(), ["n1 Waiting 1 -"]);
  reports.take("u", [{ nodeName: "n1", generation: 2, proven: true }], 230.04);
  assert.deepEqual(nodes(), ["n1 Proven 2 30"]);

  pod("two", "n2");
  flush(900);
  reports.take("u", [{ nodeName: "n2", generation: 2, proven: false }], 905);
  assert.deepEqual(nodes(), ["n1 Proven 2 30", "n2 Realized 2 -"]);
  reports.take("u", [{ nodeName: "n2", generation: 2, proven: true }], 910);
  assert.deepEqual(nodes()[1], "n2 Proven 2 10", "counted from when the node came into the span");
  reports.take("u", [{ nodeName: "n1", generation: 2, realizationFailure: true }], 920);
  assert.deepEqual(nodes()[0], "n1 Failed 2 -");
});
