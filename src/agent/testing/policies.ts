import type { NetworkPolicy } from "#core/api/controlplane/index.ts";
import { rule } from "#core/pipeline/policy/testing/rule.ts";

export { rule };

/** A policy as the controller sends it, of a NetworkPolicy of the same name in namespace shop, with one rule, changed by `parts`. */
export const policy = (name: string, parts: Partial<NetworkPolicy> = {}): NetworkPolicy => ({
  name,
  uid: name,
  generation: 1,
  sourceRef: { type: "K8sNetworkPolicy", namespace: "shop", name, uid: name },
  appliedToGroups: ["subjects"],
  rules: [rule()],
  ...parts,
});
