import { isAlreadyExists, isNotFound } from "#lib/kube/errors.ts";
import { pods } from "#lib/kube/kinds.ts";
import { keyOf, type Resource } from "#lib/kube/resource.ts";
import { createWorkqueue } from "#lib/kube/workqueue.ts";
import type { FullPod } from "../kinds/pod/types.ts";
import { same } from "../kinds/rules.ts";
import { type StatefulSet, statefulSets } from "../kinds/workload/types.ts";
import type { ControllerContext } from "./cluster.ts";
import { createEventRecorder } from "./event-recorder.ts";
import { type History, keepHistory, templateOf } from "./history.ts";
import { claim, controllerOf } from "./owners.ts";
import { podFrom } from "./pod-template.ts";
import { ordinalOf, planFor, revisionFor, revisionLabel } from "./stateful-set-plan.ts";
import { until } from "./until.ts";
import { claimsOf, ensureClaims, withClaims } from "./volume-claims.ts";

const fullPods = pods as Resource<FullPod>;

/** Keeps the pods of each StatefulSet, every one under its own name. */
export function runStatefulSets(context: ControllerContext): void {
  const { runtime, client, signal, cluster } = context;
  const recorder = createEventRecorder({ runtime, client, component: "statefulset-controller" });

  const work = async (key: string): Promise<void> => {
    const set = cluster.statefulSets.get(key);
    if (set === undefined || set.metadata.deletionTimestamp !== undefined) return;
    const candidates = cluster.pods.by("namespace", set.metadata.namespace ?? "").filter((pod) => ordinalOf(set, pod) !== undefined);
    const own = await claim({
      client,
      owner: set,
      ownerResource: statefulSets,
      selector: set.spec.selector,
      resource: fullPods,
      candidates,
    });
    const { name = "", namespace = "" } = set.metadata;
    const labels = [set.status?.currentRevision, ...own.map(({ metadata }) => metadata.labels?.[revisionLabel])];
    const history = await keepHistory(context, { resource: statefulSets, owner: set, inUse: (hash) => labels.includes(`${name}-${hash}`) });
    const plan = planFor(set, { own, updateRevision: history.present.metadata.name ?? "", now: runtime.clock.wall() });
    const made = await Promise.all(plan.create.map((ordinal) => create(set, ordinal, history)));
    await Promise.all(plan.remove.map((pod) => remove(set, pod)));
    await until(context, cluster.pods, () => made.every((name) => cluster.pods.get(`${set.metadata.namespace}/${name}`) !== undefined));
    await until(context, cluster.pods, () =>
      plan.remove.every((pod) => {
        const present = cluster.pods.get(keyOf(pod));
        return present?.metadata.uid !== pod.metadata.uid || present?.metadata.deletionTimestamp !== undefined;
      }),
    );
    if (plan.nextCheck !== undefined) queue.addAfter(key, plan.nextCheck);
    const { observedGeneration, collisionCount: _collisions, ...before } = set.status ?? {};
    if (same(before, plan.status) && observedGeneration === set.metadata.generation) return;
    const status = { ...plan.status, observedGeneration: set.metadata.generation ?? 0 };
    try {
      await client.patch(statefulSets, { namespace, name, subresource: "status" }, { status });
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
  };

  const create = async (set: StatefulSet, ordinal: number, { present, all }: History): Promise<string> => {
    const wanted = revisionFor(set, ordinal, present.metadata.name ?? "");
    // One that is no longer there gives way to the present one.
    const revision = all.find(({ metadata }) => metadata.name === wanted) ?? present;
    const { metadata, spec } = podFrom(statefulSets, { ...set, spec: { ...set.spec, template: templateOf(revision) } });
    const { generateName: _generated, ...rest } = metadata;
    const name = `${set.metadata.name}-${ordinal}`;
    const labels = {
      ...metadata.labels,
      "apps.kubernetes.io/pod-index": String(ordinal),
      "statefulset.kubernetes.io/pod-name": name,
      [revisionLabel]: revision.metadata.name ?? "",
    };
    const { serviceName } = set.spec;
    const claims = claimsOf(set, ordinal);
    await ensureClaims(context, claims.values());
    const place = { hostname: name, ...(serviceName === undefined || serviceName === "" ? {} : { subdomain: serviceName }) };
    try {
      await client.create(fullPods, { metadata: { ...rest, name, labels }, spec: { ...withClaims(spec, claims), ...place } });
      recorder.record(statefulSets, set, {
        reason: "SuccessfulCreate",
        message: `create Pod ${name} in StatefulSet ${set.metadata.name} successful`,
      });
    } catch (error) {
      // Somebody else's pod has the name: the set waits for it to go, as there is no other name to take.
      if (!isAlreadyExists(error)) throw error;
    }
    return name;
  };
  const remove = async (set: StatefulSet, { metadata }: FullPod): Promise<void> => {
    const { name = "", namespace, uid = "" } = metadata;
    try {
      await client.delete(fullPods, { namespace, name }, { preconditions: { uid } });
      recorder.record(statefulSets, set, {
        reason: "SuccessfulDelete",
        message: `delete Pod ${name} in StatefulSet ${set.metadata.name} successful`,
      });
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
  };

  const queue = createWorkqueue({ runtime, name: "statefulsets", work, signal });
  cluster.statefulSets.subscribe(({ key }) => queue.add(key), { replay: true });
  cluster.pods.subscribe(({ before, after }) => {
    for (const pod of [before, after]) {
      const owner = pod && controllerOf(pod);
      if (owner?.kind === "StatefulSet") queue.add(`${pod?.metadata.namespace}/${owner.name}`);
    }
  });
}
