import assert from "node:assert/strict";
import { test } from "node:test";
import { builtInTiers } from "#core/api/antrea/tier.ts";
import type { KubeObject } from "#lib/kube/index.ts";
import { type WorldHistory, worldKinds } from "./history.ts";
import { notWrittenDown } from "./written-down.ts";

/** What is wrong with a ClusterNetworkPolicy of policy.networking.k8s.io that has these conditions, where all else is as it should be. */
function troubles(...conditions: readonly object[]): string[] {
  const policy = { metadata: { name: "deny", generation: 2 }, ...(conditions.length > 0 && { status: { conditions } }) };
  const objects = new Map<string, readonly (readonly [string, KubeObject])[]>([
    ["Tier", builtInTiers.map(({ name }) => [name, { metadata: { name } }] as const)],
    ["K8sClusterNetworkPolicy", [["deny", policy]]],
  ]);
  const present = Object.fromEntries(worldKinds.map((kind) => [kind, new Map(objects.get(kind) ?? [])]));
  return notWrittenDown({ present: present as unknown as WorldHistory["present"] });
}

test("of upstream's policies each condition that the controller writes is wanted, true, and of the present generation", () => {
  const enforced = { type: "Enforced", status: "True", observedGeneration: 2 };
  const realizable = { type: "Realizable", status: "True", observedGeneration: 2 };
  const policy = "K8sClusterNetworkPolicy deny";
  assert.deepEqual(troubles(enforced, realizable, { type: "Others", status: "False" }), []);
  assert.deepEqual(troubles(), [`${policy}: its status has no condition Enforced`, `${policy}: its status has no condition Realizable`]);
  assert.deepEqual(troubles({ ...enforced, observedGeneration: 1 }, realizable), [
    `${policy}: its Enforced is of generation 1, and it is 2`,
  ]);
  assert.deepEqual(troubles(enforced, { ...realizable, status: "False" }), [`${policy}: its Realizable is False`]);
});
