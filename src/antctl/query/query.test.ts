import assert from "node:assert/strict";
import { test } from "node:test";
import { formatAnswer } from "../output.ts";
import { formatEndpoints } from "./endpoint-tables.ts";
import { evaluationColumns } from "./evaluation-columns.ts";

const policy = { name: "deny", namespace: "shop", uid: "u1" };

test("an endpoint is three tables, of which empty ones say None", () => {
  const answer = {
    endpoints: [
      {
        namespace: "shop",
        name: "web",
        policies: [policy],
        ingresssrcrules: [{ policyref: { name: "acnp", uid: "u2" }, ruleindex: 3 }],
        egressdstrules: null,
      },
    ],
  };
  assert.equal(
    formatEndpoints(answer),
    [
      "Endpoint shop/web",
      "Applied Policies on Endpoint:",
      "Name   Namespace   UID",
      "deny   shop        u1",
      "",
      "Egress Rules Referencing Endpoint as Destination: None",
      "",
      "Ingress Rules Referencing Endpoint as Source:",
      "Name   Namespace   Index   UID",
      "acnp   <NONE>      3       u2",
      "",
      "",
    ].join("\n"),
  );
});

test("isolation has no action of its own", () => {
  const response = { networkPolicy: { ...policy, type: "K8sNetworkPolicy" }, ruleIndex: 2_147_483_647, rule: { direction: "In" } };
  assert.equal(
    formatAnswer({ answer: {}, format: "table", columns: evaluationColumns, items: [response] }),
    [
      "NAME   NAMESPACE   POLICY-TYPE        RULE-INDEX   DIRECTION   ACTION",
      "deny   shop        K8sNetworkPolicy   2147483647   In          Isolate",
      "",
    ].join("\n"),
  );
});
