import assert from "node:assert/strict";
import { test } from "node:test";
import { decodeNetworkPolicy, encodeNetworkPolicy, policyRevision } from "#core/api/controlplane/index.ts";
import { createPolicyObjects } from "./index.ts";

const annotated = (value: string | undefined) => (value === undefined ? {} : { annotations: { "policy.antrea.io/staged": value } });
const pod = { metadata: { name: "web", namespace: "shop", uid: "p" }, spec: { nodeName: "n1" }, status: { podIPs: [{ ip: "10.0.0.5" }] } };

function start() {
  const objects = createPolicyObjects();
  objects.apply("Namespace", "shop", { metadata: { name: "shop" } } as never);
  objects.apply("Pod", "shop/web", pod as never);
  return {
    kubernetes(staged: string | undefined) {
      const metadata = { name: "k", namespace: "shop", uid: "k", generation: 1, ...annotated(staged) };
      objects.apply("K8sNetworkPolicy", "shop/k", { metadata, spec: { podSelector: {}, ingress: [{}] } } as never);
      return objects.flush().policies.map(({ event, row }) => [event, row.staged]);
    },
    antrea(staged: string | undefined) {
      const metadata = { name: "a", namespace: "shop", uid: "a", generation: 1, ...annotated(staged) };
      const spec = { priority: 5, appliedTo: [{ podSelector: {} }], ingress: [{ action: "Drop", name: "r" }] };
      objects.apply("AntreaNetworkPolicy", "shop/a", { metadata, spec } as never);
      return objects.flush().policies.map(({ event, row }) => [event, row.staged]);
    },
    row: (uid: string) => objects.engine.policy(uid)?.row,
  };
}

test("the annotation stages a policy, its removal promotes it, though its generation stays", () => {
  const { kubernetes, antrea } = start();
  for (const set of [kubernetes, antrea]) {
    assert.deepEqual(set("true"), [["created", true]]);
    assert.deepEqual(set(undefined), [["changed", undefined]]);
    assert.deepEqual(set("1"), [["changed", true]]);
    assert.deepEqual(set("perhaps"), [["changed", undefined]]);
  }
});

test("a staged policy reads back, has a revision of its own, and says nothing to who knows no staging", () => {
  const { kubernetes, row } = start();
  kubernetes("true");
  const staged = row("k");
  assert.ok(staged?.staged && staged.rules.length === 1);
  const wire = encodeNetworkPolicy(staged);
  assert.deepEqual([wire.rules, wire.appliedToGroups], [undefined, undefined]);
  const read = decodeNetworkPolicy(JSON.parse(JSON.stringify(wire)));
  assert.deepEqual(read, { ok: true, value: staged });
  const { staged: _, ...promoted } = staged;
  assert.notEqual(policyRevision(staged), policyRevision(promoted));
  const broken = { ...wire, metadata: { ...wire.metadata, annotations: { "controlplane.antrea.io/staged": "{" } } };
  assert.deepEqual(decodeNetworkPolicy(broken), {
    ok: false,
    path: "$.metadata.annotations.controlplane.antrea.io/staged",
    reason: '"{" is not JSON',
  });
});
