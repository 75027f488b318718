import { nothing, type PolicyRule } from "#core/api/controlplane/index.ts";

/** A rule of a Kubernetes policy that lets everybody in, but for what `parts` say. */
export const rule = (parts: Partial<PolicyRule>): PolicyRule => ({
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
