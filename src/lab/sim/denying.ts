import type { AntreaPolicy } from "#core/api/antrea/policy.ts";
import type { ClusterNetworkPolicy } from "#core/api/upstream/cluster-network-policy.ts";
import type { OtherObjects } from "#core/policy/cases/who.ts";

/** A world with that policy alone, which denies whatever its rules are about: what is not ended there is nothing to the policy. Groups that it names are not there. */
export function denyingAntrea({ spec, ...rest }: AntreaPolicy): OtherObjects {
  const denied = <Rule>(rules: readonly Rule[] | undefined) => rules?.map((rule) => ({ ...rule, action: "Drop" })) ?? [];
  if (spec === undefined) return {};
  // Where it stands makes no difference to what it is about.
  return {
    antreaPolicies: [{ ...rest, spec: { ...spec, tier: "application", ingress: denied(spec.ingress), egress: denied(spec.egress) } }],
  };
}

/** As {@link denyingAntrea}. */
export function denyingUpstream({ spec, ...rest }: ClusterNetworkPolicy): OtherObjects {
  const denied = <Rule>(rules: readonly Rule[] | undefined) => rules?.map((rule) => ({ ...rule, action: "Deny" })) ?? [];
  return { clusterNetworkPolicies: [{ ...rest, spec: { ...spec, ingress: denied(spec?.ingress), egress: denied(spec?.egress) } }] };
}
