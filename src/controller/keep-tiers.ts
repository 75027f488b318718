import { tiers as tierResource } from "#core/api/antrea/resources.ts";
import { builtInTiers, type Tier } from "#core/api/antrea/tier.ts";
import { createWorkqueue, type KubeClient, type LeaseHold, type Reflection } from "#lib/kube/index.ts";
import type { Runtime } from "#lib/runtime/index.ts";

const descriptions: Readonly<Record<string, string>> = {
  emergency: "Emergency Tier",
  securityops: "SecurityOps Tier",
  networkops: "NetworkOps Tier",
  platform: "Platform Tier",
  application: "Application Tier",
  baseline: "Baseline Tier",
};

/** Makes the tiers that are always there, and puts right what somebody changed in them. */
export function keepTiers(options: {
  readonly runtime: Runtime;
  readonly client: KubeClient;
  /** Only its holder writes. */
  readonly lease: Pick<LeaseHold, "held" | "onGained">;
  readonly tiers: Reflection<Tier>;
  readonly signal: AbortSignal;
}): void {
  const { runtime, client, lease, tiers, signal } = options;
  const keep = async (name: string): Promise<void> => {
    const builtIn = builtInTiers.find((tier) => tier.name === name);
    // Nothing can be made of a kind that is not there yet.
    if (!lease.held || builtIn === undefined || tiers.resourceVersion === undefined) return;
    const present = tiers.get(name);
    const { priority } = builtIn;
    const spec = { priority, description: `[READ-ONLY]: System generated default ${descriptions[name]}` };
    if (present === undefined) await client.create(tierResource, { metadata: { name }, spec });
    else if (present.spec?.priority !== priority) await client.update(tierResource, { ...present, spec });
  };
  const queue = createWorkqueue({ runtime, name: "keep-tiers", signal, work: keep });
  const keepAll = (): void => {
    for (const { name } of builtInTiers) queue.add(name);
  };
  tiers.onProgress(keepAll);
  lease.onGained(keepAll);
  void tiers.whenSynced().then(keepAll);
}
