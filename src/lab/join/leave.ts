import { isNotFound, type KubeClient, nodes, pods } from "#lib/kube/index.ts";
import { sleep } from "#lib/runtime/clock.ts";
import { milliseconds, seconds } from "#lib/runtime/duration.ts";
import type { Runtime } from "#lib/runtime/runtime.ts";

/** Time for the pods of leaving nodes to end in order; what runs then is ended with its node. */
const podsTime = seconds(30);

/** Before a joined lab goes down: no new pods for its nodes, and the ones there end, while their kubelets can still say so. */
export async function drainNodes({
  runtime,
  client,
  names,
}: {
  readonly runtime: Runtime;
  readonly client: KubeClient;
  readonly names: readonly string[];
}): Promise<void> {
  for (const name of names)
    await client.patch(nodes, { name }, { spec: { unschedulable: true } }).catch((error: unknown) => {
      if (!isNotFound(error)) throw error;
    });
  const deadline = runtime.clock.monotonic() + podsTime;
  for (;;) {
    const { items } = await client.list(pods);
    // Pods of a DaemonSet come back for as long as there is a node.
    const left = items.filter(
      ({ metadata, spec }) =>
        names.includes(spec.nodeName ?? "") && !(metadata.ownerReferences ?? []).some((owner) => owner.kind === "DaemonSet"),
    );
    for (const { metadata } of left)
      if (metadata.deletionTimestamp === undefined)
        await client.delete(pods, { namespace: metadata.namespace ?? "", name: metadata.name ?? "" }).catch(() => {});
    if (left.length === 0 || runtime.clock.monotonic() > deadline) return;
    await sleep(runtime.clock, milliseconds(200));
  }
}

/** After its processes ended: the cluster forgets the nodes, and with them the pods that were still theirs. */
export async function removeNodes({ client, names }: { readonly client: KubeClient; readonly names: readonly string[] }): Promise<void> {
  for (const name of names)
    await client.delete(nodes, { name }).catch((error: unknown) => {
      if (!isNotFound(error)) throw error;
    });
}
