import { upstreamTierPriorities } from "#core/api/antrea/tier.ts";
import type { ClusterNetworkPolicy, ClusterPolicyProtocol, ClusterPolicyRule } from "#core/api/upstream/cluster-network-policy.ts";
import type { Direction, RuleAction, ServiceMatch } from "#core/api/controlplane/index.ts";
import type { LoweredRule } from "../lowered-policy.ts";
import type { Lowered } from "./lowered.ts";
import { Problems } from "./problems.ts";
import { lowerSubject, lowerUpstreamRule } from "./upstream.ts";

/** Lowers a ClusterNetworkPolicy of policy.networking.k8s.io/v1alpha2. */
export function lowerClusterNetworkPolicy({ metadata, spec = {} }: ClusterNetworkPolicy): Lowered {
  const problems = new Problems();
  // A tier that is not known is the one that nobody can override from below.
  const isBaseline = spec.tier === "Baseline";
  const lower = (direction: Direction, rules: readonly ClusterPolicyRule[], field: string): LoweredRule[] =>
    rules.flatMap((rule, index) => {
      const path = `spec.${field}[${index}]`;
      const lowered = lowerUpstreamRule(
        {
          direction,
          index,
          path,
          name: rule.name,
          action: actionOf(rule.action, isBaseline),
          peers: (direction === "In" ? rule.from : rule.to) ?? [],
          services: servicesOf(rule.protocols ?? []),
        },
        problems,
      );
      return lowered === undefined ? [] : [lowered];
    });
  return {
    policy: {
      sourceRef: { type: "K8sClusterNetworkPolicy", name: metadata.name ?? "", uid: metadata.uid ?? "" },
      generation: metadata.generation ?? 0,
      tierPriority: isBaseline ? upstreamTierPriorities.baseline : upstreamTierPriorities.clusterAdmin,
      priority: spec.priority ?? 0,
      appliedTo: lowerSubject(spec.subject, problems),
      rules: [...lower("In", spec.ingress ?? [], "ingress"), ...lower("Out", spec.egress ?? [], "egress")],
    },
    problems: problems.found,
  };
}

/** To pass on in the last layer is to let through. An action that is not known denies. */
function actionOf(action: string | undefined, isBaseline: boolean): RuleAction {
  if (action === "Accept") return "Allow";
  if (action === "Pass") return isBaseline ? "Allow" : "Pass";
  return "Drop";
}

function servicesOf(protocols: readonly ClusterPolicyProtocol[]): readonly ServiceMatch[] | "unknown" {
  const services: ServiceMatch[] = [];
  for (const { tcp, udp, sctp, destinationNamedPort } of protocols) {
    const entries = [
      ["TCP", tcp],
      ["UDP", udp],
      ["SCTP", sctp],
    ] as const;
    const found = entries.flatMap(([protocol, entry]): readonly ServiceMatch[] => {
      if (entry === undefined) return [];
      const { number, range } = entry.destinationPort ?? {};
      if (range !== undefined) return [{ protocol, port: range.start, endPort: range.end }];
      return [number === undefined ? { protocol } : { protocol, port: number }];
    });
    // The protocol is what the destination declares the name for.
    if (destinationNamedPort !== undefined) found.push(...entries.map(([protocol]) => ({ protocol, port: destinationNamedPort })));
    if (found.length === 0) return "unknown";
    services.push(...found);
  }
  return services;
}
