import { upstreamTierPriorities } from "#core/api/antrea/tier.ts";
import type { AdminNetworkPolicy, AdminPolicyPort, AdminPolicyRule } from "#core/api/upstream/admin-network-policy.ts";
import type { Direction, RuleAction, ServiceMatch } from "#core/api/controlplane/index.ts";
import type { LoweredRule } from "../lowered-policy.ts";
import type { Lowered } from "./lowered.ts";
import { Problems } from "./problems.ts";
import { lowerSubject, lowerUpstreamRule } from "./upstream.ts";

/** Behind every ClusterNetworkPolicy of the Baseline tier, whose priorities end at 1 000. */
const baselinePriority = 1_001;

/** Lowers an AdminNetworkPolicy, or the BaselineAdminNetworkPolicy, of policy.networking.k8s.io/v1alpha1. */
export function lowerAdminNetworkPolicy(
  type: "AdminNetworkPolicy" | "BaselineAdminNetworkPolicy",
  { metadata, spec = {} }: AdminNetworkPolicy,
): Lowered {
  const problems = new Problems();
  const isBaseline = type === "BaselineAdminNetworkPolicy";
  const lower = (direction: Direction, rules: readonly AdminPolicyRule[], field: string): LoweredRule[] =>
    rules.flatMap((rule, index) => {
      const peers = (direction === "In" ? rule.from : rule.to) ?? [];
      // Without peers it is passed over, as the Go implementation does.
      if (peers.length === 0) return [];
      const path = `spec.${field}[${index}]`;
      const action = actionOf(rule.action, isBaseline);
      const lowered = lowerUpstreamRule(
        { direction, index, path, name: rule.name, action, peers, services: servicesOf(rule.ports ?? []) },
        problems,
      );
      return lowered === undefined ? [] : [lowered];
    });
  return {
    policy: {
      sourceRef: { type, name: metadata.name ?? "", uid: metadata.uid ?? "" },
      generation: metadata.generation ?? 0,
      tierPriority: isBaseline ? upstreamTierPriorities.baseline : upstreamTierPriorities.admin,
      priority: isBaseline ? baselinePriority : (spec.priority ?? 0),
      appliedTo: lowerSubject(spec.subject, problems),
      rules: [...lower("In", spec.ingress ?? [], "ingress"), ...lower("Out", spec.egress ?? [], "egress")],
    },
    problems: problems.found,
  };
}

function actionOf(action: string | undefined, isBaseline: boolean): RuleAction {
  if (action === "Allow") return "Allow";
  return action === "Pass" && !isBaseline ? "Pass" : "Drop";
}

function servicesOf(ports: readonly AdminPolicyPort[]): readonly ServiceMatch[] | "unknown" {
  const services: ServiceMatch[] = [];
  for (const { portNumber, portRange, namedPort } of ports) {
    const protocol = (portNumber ?? portRange)?.protocol ?? "TCP";
    if (protocol !== "TCP" && protocol !== "UDP" && protocol !== "SCTP") return "unknown";
    if (portNumber !== undefined) services.push({ protocol, port: portNumber.port });
    else if (portRange !== undefined) services.push({ protocol, port: portRange.start, endPort: portRange.end });
    else if (namedPort !== undefined)
      for (const each of ["TCP", "UDP", "SCTP"] as const) services.push({ protocol: each, port: namedPort });
    else return "unknown";
  }
  return services;
}
