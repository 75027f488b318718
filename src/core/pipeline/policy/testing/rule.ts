import { nothing, type PolicyRule } from "#core/api/controlplane/index.ts";

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
