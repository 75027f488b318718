import { isNotFound } from "#lib/kube/errors.ts";
import { pods } from "#lib/kube/kinds.ts";
import { keyOf, type Resource } from "#lib/kube/resource.ts";
import { createWorkqueue } from "#lib/kube/workqueue.ts";
import { seconds } from "#lib/runtime/duration.ts";
import type { FullPod } from "../kinds/pod/types.ts";
import type { ControllerContext } from "./cluster.ts";

/** A node that is gone may come back under its name: its pods wait this long. */
const quarantine = seconds(40);

/** Removes pods of nodes that no longer exist: no kubelet will ever confirm their end. */
export function runPodGc({ runtime, client, signal, cluster }: ControllerContext): void {
  const lostSince = new Map<string, number>();
  const work = async (node: string): Promise<void> => {
    if (cluster.nodes.get(node) !== undefined) {
      lostSince.delete(node);
      return;
    }
    const orphans = cluster.pods.by("node", node);
    if (orphans.length === 0) {
      lostSince.delete(node);
      return;
    }
    const now = runtime.clock.monotonic();
    const since = lostSince.get(node) ?? now;
    lostSince.set(node, since);
    const left = since + quarantine - now;
    if (left > 0) {
      queue.addAfter(node, left);
      return;
    }
    for (const pod of orphans) {
      runtime.logger.info("removing a pod of a node that is gone", { pod: keyOf(pod), node });
      const { name = "", namespace, uid = "" } = pod.metadata;
      try {
        await client.delete(pods as Resource<FullPod>, { namespace, name }, { gracePeriodSeconds: 0, preconditions: { uid } });
      } catch (error) {
        if (!isNotFound(error)) throw error;
      }
    }
  };
  const queue = createWorkqueue({ runtime, name: "pod-gc", work, signal });
  cluster.nodes.subscribe(({ key, before, after }) => (before === undefined) !== (after === undefined) && queue.add(key));
  cluster.pods.subscribe(
    ({ before, after }) => {
      const node = after?.spec.nodeName;
      if (before?.spec.nodeName === undefined && node && cluster.nodes.get(node) === undefined) queue.add(node);
    },
    { replay: true },
  );
}
