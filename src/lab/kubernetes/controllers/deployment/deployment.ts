import { isAlreadyExists, isNotFound } from "#lib/kube/errors.ts";
import { keyOf } from "#lib/kube/resource.ts";
import { createWorkqueue } from "#lib/kube/workqueue.ts";
import { same } from "../../kinds/rules.ts";
import { type Deployment, deployments, type ReplicaSet, replicaSets } from "../../kinds/workload/types.ts";
import type { ControllerContext } from "../cluster.ts";
import { createEventRecorder } from "../event-recorder.ts";
import { claim, controllerOf, controllerReference } from "../owners.ts";
import { until } from "../until.ts";
import { annotationsFor, byAge, findNewSet, hashLabel, revisionAnnotation, revisionOf, templateHash } from "./revision.ts";
import { pausedStep, recreateStep, resizedStep, rollingStep, type Scaling, sizeAnnotations } from "./rollout.ts";
import { deadlineIn, isComplete, statusFor } from "./status.ts";

/** Brings each Deployment's ReplicaSets towards its template, one step per round: every change of a set starts the next. */
export function runDeployments(context: ControllerContext): void {
  const { runtime, client, signal, cluster } = context;
  const recorder = createEventRecorder({ runtime, client, component: "deployment-controller" });

  const work = async (key: string): Promise<void> => {
    const deployment = cluster.deployments.get(key);
    if (deployment === undefined || deployment.metadata.deletionTimestamp !== undefined) return;
    const candidates = cluster.replicaSets.by("namespace", deployment.metadata.namespace ?? "");
    const options = { client, owner: deployment, ownerResource: deployments, resource: replicaSets, candidates };
    const sets = byAge(await claim({ ...options, selector: deployment.spec.selector }));
    const found = findNewSet(deployment, sets);
    const oldSets = sets.filter((set) => set !== found);
    const resized = resizedStep(deployment, sets);
    if (resized !== undefined) {
      for (const scaling of resized) await scale(deployment, scaling);
      return queue.add(key);
    }
    if (deployment.spec.paused) {
      for (const scaling of pausedStep(deployment, sets)) await scale(deployment, scaling);
      await writeStatus({ deployment, newSet: found, oldSets, created: false });
      return;
    }
    const newSet = found === undefined ? await createSet(deployment, oldSets) : await annotate(deployment, found, oldSets);
    if (newSet === undefined) return;
    await noteRevision(deployment, newSet);
    const step =
      deployment.spec.strategy?.type === "Recreate"
        ? recreateStep(deployment, { newSet, oldSets }, podsOf(oldSets))
        : rollingStep(deployment, { newSet, oldSets });
    for (const scaling of step) await scale(deployment, scaling);
    await writeStatus({ deployment, newSet, oldSets, created: found === undefined });
  };

  const podsOf = (sets: readonly ReplicaSet[]): number =>
    sets
      .flatMap(({ metadata }) => cluster.pods.by("owner", metadata.uid ?? ""))
      .filter(({ status }) => status?.phase !== "Succeeded" && status?.phase !== "Failed").length;

  /** Undefined when the name is taken by another template: the count of collisions then makes another name. */
  const createSet = async (deployment: Deployment, oldSets: readonly ReplicaSet[]): Promise<ReplicaSet | undefined> => {
    const set = setFrom(deployment, oldSets);
    const { name = "", namespace } = set.metadata;
    try {
      const created = await client.create(replicaSets, set);
      await until(context, cluster.replicaSets, () => cluster.replicaSets.by("uid", created.metadata.uid ?? "").length > 0);
      return created;
    } catch (error) {
      if (!isAlreadyExists(error)) throw error;
      const present = await client.get(replicaSets, { namespace, name });
      if (controllerOf(present)?.uid === deployment.metadata.uid && findNewSet(deployment, [present])) return present;
      const status = { collisionCount: (deployment.status?.collisionCount ?? 0) + 1 };
      await client.patch(deployments, { namespace, name: deployment.metadata.name ?? "", subresource: "status" }, { status });
      return undefined;
    }
  };

  const annotate = async (deployment: Deployment, set: ReplicaSet, oldSets: readonly ReplicaSet[]): Promise<ReplicaSet> => {
    const annotations = annotationsFor(deployment, set, oldSets);
    const minReadySeconds = deployment.spec.minReadySeconds ?? 0;
    if (same(annotations, set.metadata.annotations ?? {}) && minReadySeconds === (set.spec.minReadySeconds ?? 0)) return set;
    const { name = "", namespace } = set.metadata;
    return client.patch<ReplicaSet>(replicaSets, { namespace, name }, { metadata: { annotations }, spec: { minReadySeconds } });
  };

  const noteRevision = async ({ metadata }: Deployment, newSet: ReplicaSet): Promise<void> => {
    const revision = String(revisionOf(newSet));
    if (metadata.annotations?.[revisionAnnotation] === revision) return;
    const { name = "", namespace } = metadata;
    await client.patch(deployments, { namespace, name }, { metadata: { annotations: { [revisionAnnotation]: revision } } });
  };

  const scale = async (deployment: Deployment, { set, replicas }: Scaling): Promise<void> => {
    const { name = "", namespace } = set.metadata;
    const before = set.spec.replicas ?? 1;
    const change = { metadata: { annotations: sizeAnnotations(deployment) }, spec: { replicas } };
    const scaled = await client.patch<ReplicaSet>(replicaSets, { namespace, name }, change);
    const direction = replicas > before ? "up" : "down";
    const message = `Scaled ${direction} replica set ${name} from ${before} to ${replicas}`;
    if (replicas !== before) recorder.record(deployments, deployment, { reason: "ScalingReplicaSet", message });
    const version = scaled.metadata.resourceVersion;
    const isSized = ({ metadata, spec }: ReplicaSet): boolean =>
      spec.replicas === replicas &&
      Object.entries(change.metadata.annotations).every(([name, value]) => metadata.annotations?.[name] === value);
    await until(context, cluster.replicaSets, () => {
      const seen = cluster.replicaSets.get(keyOf(set));
      return seen === undefined || seen.metadata.resourceVersion === version || isSized(seen);
    });
  };

  const writeStatus = async (input: Omit<Parameters<typeof statusFor>[0], "now">): Promise<void> => {
    const { deployment, oldSets } = input;
    const now = runtime.clock.wall();
    const newSet = input.newSet && (cluster.replicaSets.get(keyOf(input.newSet)) ?? input.newSet);
    const status = statusFor({ ...input, newSet, oldSets: oldSets.map((set) => cluster.replicaSets.get(keyOf(set)) ?? set), now });
    const { name = "", namespace } = deployment.metadata;
    if (!same(status, deployment.status ?? {})) {
      try {
        await client.patch(deployments, { namespace, name, subresource: "status" }, { status });
      } catch (error) {
        if (!isNotFound(error)) throw error;
      }
    }
    const deadline = deadlineIn(deployment, status, now);
    if (deadline !== undefined && deadline > 0) queue.addAfter(keyOf(deployment), deadline);
    if (isComplete(deployment, status)) await forget(deployment, oldSets);
  };

  /** Keeps as many old ReplicaSets as the Deployment wants to be able to go back to. */
  const forget = async ({ spec }: Deployment, oldSets: readonly ReplicaSet[]): Promise<void> => {
    const idle = oldSets.filter(
      ({ spec: { replicas }, status, metadata }) => replicas === 0 && !status?.replicas && !metadata.deletionTimestamp,
    );
    const surplus = idle
      .toSorted((left, right) => Number(revisionOf(left) - revisionOf(right)))
      .slice(0, Math.max(0, idle.length - (spec.revisionHistoryLimit ?? 10)));
    for (const { metadata } of surplus) {
      const { name = "", namespace, uid = "" } = metadata;
      try {
        await client.delete(replicaSets, { namespace, name }, { preconditions: { uid } });
      } catch (error) {
        if (!isNotFound(error)) throw error;
      }
    }
  };

  const queue = createWorkqueue({ runtime, name: "deployments", work, signal });
  cluster.deployments.subscribe(({ key }) => queue.add(key), { replay: true });
  cluster.replicaSets.subscribe(({ before, after }) => {
    for (const set of [before, after]) {
      const owner = set && controllerOf(set);
      if (owner?.kind === "Deployment") queue.add(`${set?.metadata.namespace}/${owner.name}`);
    }
    if (after !== undefined && controllerOf(after) === undefined)
      for (const deployment of cluster.deployments.by("namespace", after.metadata.namespace ?? "")) queue.add(keyOf(deployment));
  });
  // Recreate waits for the last old pod to be gone, which changes no set's status any more.
  cluster.pods.subscribe(({ before, after }) => {
    const owner = before && controllerOf(before);
    if (after !== undefined || owner?.kind !== "ReplicaSet") return;
    const set = cluster.replicaSets.get(`${before?.metadata.namespace}/${owner.name}`);
    const deployment = set && controllerOf(set);
    if (deployment !== undefined) queue.add(`${before?.metadata.namespace}/${deployment.name}`);
  });
}

function setFrom(deployment: Deployment, oldSets: readonly ReplicaSet[]): ReplicaSet {
  const { metadata, spec } = deployment;
  const hash = templateHash(spec.template, deployment.status?.collisionCount);
  const labels = { ...spec.template.metadata?.labels, [hashLabel]: hash };
  return {
    metadata: {
      name: `${metadata.name}-${hash}`,
      namespace: metadata.namespace ?? "",
      labels,
      annotations: annotationsFor(deployment, undefined, oldSets),
      ownerReferences: [controllerReference(deployments, deployment)],
    },
    spec: {
      replicas: 0,
      ...(spec.minReadySeconds === undefined ? {} : { minReadySeconds: spec.minReadySeconds }),
      selector: { ...spec.selector, matchLabels: { ...spec.selector.matchLabels, [hashLabel]: hash } },
      template: { metadata: { ...spec.template.metadata, labels }, spec: spec.template.spec },
    },
  };
}
