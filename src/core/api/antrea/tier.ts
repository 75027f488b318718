import type { KubeObject } from "#lib/kube/index.ts";

/** A Tier of crd.antrea.io/v1beta1: where in the order the policies that name it stand. */
export interface Tier extends KubeObject {
  readonly spec?: {
    /** 0 to 255, lower is earlier. */
    readonly priority: number;
    readonly description?: string;
  };
}

/** The tiers that are always there. */
export const builtInTiers = [
  { name: "emergency", priority: 50 },
  { name: "securityops", priority: 100 },
  { name: "networkops", priority: 150 },
  { name: "platform", priority: 200 },
  { name: "application", priority: 250 },
  { name: "baseline", priority: 253 },
] as const;

/** That of policies which name none. */
export const defaultTier = "application";

/** Rules of this tier come after those of Kubernetes. */
export const baselineTierPriority = 253;

/** Where the kinds of policy.networking.k8s.io stand among tiers. */
export const upstreamTierPriorities = { clusterAdmin: 220, admin: 251, baseline: 254 } as const;
