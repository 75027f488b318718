import { type NetworkPolicy, nothing, type PolicyRule } from "#core/api/controlplane/index.ts";

/** An ingress rule of a Kubernetes policy that allows nothing, changed by `parts`. */
export const rule = (parts: Partial<PolicyRule> = {}): PolicyRule => ({
  direction: "In",
  peer: nothing,
  services: [],
  priority: -1,
  action: "Allow",
  enableLogging: false,
  appliedToGroups: [],
  l7Protocols: [],
  ...parts,
});

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
