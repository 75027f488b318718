import { pods } from "#lib/kube/kinds.ts";
import { isNotFound } from "#lib/kube/errors.ts";
import { keyOf, type Resource } from "#lib/kube/resource.ts";
import { createWorkqueue } from "#lib/kube/workqueue.ts";
import { errorMessage } from "#lib/runtime/errors.ts";
import { same } from "../kinds/rules.ts";
import type { FullPod } from "../kinds/pod/types.ts";
import { type ReplicaSet, replicaSets } from "../kinds/workload/types.ts";
import type { ControllerContext } from "./cluster.ts";
import { createEventRecorder } from "./event-recorder.ts";
import { claim, controllerOf } from "./owners.ts";
import { podFrom } from "./pod-template.ts";
import { availableIn, isActive, isReady, removalOrder } from "./pod-state.ts";
import { until } from "./until.ts";

/** Pods made or deleted in one round: the rest follows in the next, so that a huge set does not hold up its own status. */
const burst = 100;

const fullPods = pods as Resource<FullPod>;

/** Keeps as many pods as each ReplicaSet wants. */
export function runReplicaSets(context: ControllerContext): void {
  const { runtime, client, signal, cluster } = context;
  const recorder = createEventRecorder({ runtime, client, component: "replicaset-controller" });

  const create = async (set: ReplicaSet, count: number): Promise<void> => {
    const { namespace = "" } = set.metadata;
    const results = await Promise.allSettled(Array.from({ length: count }, () => client.create(fullPods, podFrom(replicaSets, set))));
    const made = results.flatMap((result) => (result.status === "fulfilled" ? [result.value] : []));
    for (const pod of made) recorder.record(replicaSets, set, { reason: "SuccessfulCreate", message: `Created pod: ${pod.metadata.name}` });
    const uids = made.flatMap(({ metadata }) => metadata.uid ?? []);
    await until(context, cluster.pods, () => uids.every((uid) => cluster.pods.by("uid", uid).length > 0));
    const failure = results.find((result) => result.status === "rejected");
    if (failure === undefined) return;
    const message = `Error creating: ${errorMessage(failure.reason)}`;
    recorder.record(replicaSets, set, { type: "Warning", reason: "FailedCreate", message });
    runtime.logger.warn("pods not created", { replicaSet: keyOf(set), namespace, error: errorMessage(failure.reason) });
    throw failure.reason;
  };

  const remove = async (set: ReplicaSet, chosen: readonly FullPod[]): Promise<void> => {
    await Promise.all(
      chosen.map(async ({ metadata }) => {
        const { name = "", namespace, uid } = metadata;
        try {
          await client.delete(fullPods, { namespace, name }, { preconditions: uid === undefined ? {} : { uid } });
          recorder.record(replicaSets, set, { reason: "SuccessfulDelete", message: `Deleted pod: ${name}` });
        } catch (error) {
          if (!isNotFound(error)) throw error;
        }
      }),
    );
    await until(context, cluster.pods, () =>
      chosen.every((pod) => {
        const present = cluster.pods.get(keyOf(pod));
        return present?.metadata.uid !== pod.metadata.uid || present?.metadata.deletionTimestamp !== undefined;
      }),
    );
  };

  const work = async (key: string): Promise<void> => {
    const set = cluster.replicaSets.get(key);
    if (set === undefined || set.metadata.deletionTimestamp !== undefined) return;
    const { namespace = "" } = set.metadata;
    const candidates = cluster.pods.by("namespace", namespace).filter(isActive);
    const options = { client, owner: set, ownerResource: replicaSets, selector: set.spec.selector, resource: fullPods, candidates };
    const own = await claim(options);
    const missing = (set.spec.replicas ?? 1) - own.length;
    try {
      if (missing > 0) await create(set, Math.min(missing, burst));
      else if (missing < 0) await remove(set, removalOrder(own).slice(0, Math.min(-missing, burst)));
    } finally {
      await writeStatus(set);
    }
    if (Math.abs(missing) > burst) queue.add(key);
  };

  const writeStatus = async (set: ReplicaSet): Promise<void> => {
    const own = cluster.pods.by("owner", set.metadata.uid ?? "").filter(isActive);
    const waits = own.map((pod) => availableIn(pod, set.spec.minReadySeconds ?? 0, runtime.clock.wall()));
    const templateLabels = Object.entries(set.spec.template.metadata?.labels ?? {});
    const status = {
      replicas: own.length,
      fullyLabeledReplicas: own.filter(({ metadata }) => templateLabels.every(([name, value]) => metadata.labels?.[name] === value)).length,
      readyReplicas: own.filter(isReady).length,
      availableReplicas: waits.filter((wait) => wait === 0).length,
      observedGeneration: set.metadata.generation ?? 0,
    };
    const soonest = Math.min(...waits.flatMap((wait) => (wait === undefined || wait === 0 ? [] : [wait])));
    if (Number.isFinite(soonest)) queue.addAfter(keyOf(set), soonest);
    const { conditions: _conditions, ...before } = cluster.replicaSets.get(keyOf(set))?.status ?? {};
    if (same(before, status)) return;
    const { name = "", namespace } = set.metadata;
    try {
      await client.patch(replicaSets, { namespace, name, subresource: "status" }, { status });
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
  };

  const queue = createWorkqueue({ runtime, name: "replicasets", work, signal });
  cluster.replicaSets.subscribe(({ key }) => queue.add(key), { replay: true });
  cluster.pods.subscribe(({ before, after }) => {
    const owner = (pod: FullPod | undefined) => (pod === undefined ? undefined : controllerOf(pod));
    for (const pod of [before, after]) {
      const reference = owner(pod);
      if (reference?.kind === "ReplicaSet") queue.add(`${pod?.metadata.namespace}/${reference.name}`);
    }
    if (after === undefined || owner(after) !== undefined) return;
    for (const set of cluster.replicaSets.by("namespace", after.metadata.namespace ?? "")) queue.add(keyOf(set));
  });
}
