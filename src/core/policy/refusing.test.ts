import assert from "node:assert/strict";
import { test } from "node:test";
import { decodeNetworkPolicy, encodeNetworkPolicy } from "#core/api/controlplane/index.ts";
import { createPolicyObjects } from "./index.ts";

const pod = { metadata: { name: "web", namespace: "shop", uid: "p" }, spec: { nodeName: "n1" }, status: { podIPs: [{ ip: "10.0.0.5" }] } };
const spec = {
  priority: 5,
  appliedTo: [{ podSelector: {} }],
  ingress: [
    { action: "Drop", name: "r" },
    { action: "Allow", name: "s" },
  ],
};

test("a namespace's annotation makes the denies of its own policies rejections, and no cluster policy's", () => {
  const objects = createPolicyObjects();
  const namespace = (value?: string): void =>
    objects.apply("Namespace", "shop", {
      metadata: { name: "shop", ...(value !== undefined && { annotations: { "networkpolicy.antrea.io/reject-denied": value } }) },
    } as never);
  const seen = (): object =>
    Object.fromEntries(
      ["a", "c", "k"].map((uid) => {
        const row = objects.engine.policy(uid)?.row;
        return [uid, [row?.refusing === true, ...(row?.rules ?? []).map(({ action }) => action)]];
      }),
    );
  namespace();
  objects.apply("Pod", "shop/web", pod as never);
  objects.apply("AntreaNetworkPolicy", "shop/a", { metadata: { name: "a", namespace: "shop", uid: "a" }, spec } as never);
  objects.apply("AntreaClusterNetworkPolicy", "c", { metadata: { name: "c", uid: "c" }, spec } as never);
  objects.apply("K8sNetworkPolicy", "shop/k", { metadata: { name: "k", namespace: "shop", uid: "k" }, spec: { podSelector: {} } } as never);
  objects.flush();
  const silent = { a: [false, "Drop", "Allow"], c: [false, "Drop", "Allow"], k: [false, "Allow"] };
  assert.deepEqual(seen(), silent);
  namespace("true");
  assert.deepEqual(
    objects
      .flush()
      .policies.map(({ name }) => name)
      .sort(),
    ["a", "k"],
  );
  assert.deepEqual(seen(), { a: [true, "Reject", "Allow"], c: [false, "Drop", "Allow"], k: [true, "Allow"] });
  const row = objects.engine.policy("k")?.row;
  assert.ok(row);
  assert.deepEqual(decodeNetworkPolicy(JSON.parse(JSON.stringify(encodeNetworkPolicy(row)))), { ok: true, value: row });
  namespace("no");
  objects.flush();
  assert.deepEqual(seen(), silent);
});
