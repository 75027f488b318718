import type { FullPod } from "../kinds/pod/types.ts";
import type { StatefulSet } from "../kinds/workload/types.ts";
import { availableIn, isActive, isReady } from "./pod-state.ts";

/** Label by which the pods of one template are told from those of another. */
export const revisionLabel = "controller-revision-hash";

/** The next step of a StatefulSet. */
export interface StatefulPlan {
  /** Numbers of the pods that are missing and may be made now. */
  readonly create: readonly number[];
  readonly remove: readonly FullPod[];
  readonly status: Omit<NonNullable<StatefulSet["status"]>, "observedGeneration" | "collisionCount">;
  /** Milliseconds until a pod becomes available by time alone. */
  readonly nextCheck: number | undefined;
}

/** What a StatefulSet is planned from. */
export interface StatefulState {
  /** The set's pods, those on their way out too: a name is free only when its pod is gone. */
  readonly own: readonly FullPod[];
  /** Name of the present template's revision. */
  readonly updateRevision: string;
  /** Wall time in milliseconds. */
  readonly now: number;
}

/**
 * Name of the revision from which the pod of that number is made: below the partition of a rolling update, the one that all pods had when they last
 * agreed, so that a pod that has to be made anew stays what it was.
 */
export function revisionFor({ spec, status }: StatefulSet, ordinal: number, updateRevision: string): string {
  const { type, rollingUpdate } = spec.updateStrategy ?? {};
  const stays = type !== "OnDelete" && ordinal < (spec.ordinals?.start ?? 0) + (rollingUpdate?.partition ?? 0);
  return stays ? (status?.currentRevision ?? updateRevision) : updateRevision;
}

/** The number in a pod's name; undefined when the name is none of the set's. */
export function ordinalOf(set: StatefulSet, { metadata }: FullPod): number | undefined {
  const prefix = `${set.metadata.name}-`;
  const rest = metadata.name?.startsWith(prefix) ? metadata.name.slice(prefix.length) : "";
  return /^(0|[1-9]\d{0,8})$/.test(rest) ? Number(rest) : undefined;
}

/**
 * With `OrderedReady` a step waits for all pods with lower
 * numbers, and pods beyond the size go from the highest on; with `Parallel` missing and surplus ones are dealt with at once. Updates go one by one from the
 * highest number in both (`apps/v1` StatefulSet).
 */
export function planFor(set: StatefulSet, { own, updateRevision, now }: StatefulState): StatefulPlan {
  const { replicas = 1, ordinals, minReadySeconds = 0 } = set.spec;
  const start = ordinals?.start ?? 0;
  const numbered = own.flatMap((pod) => {
    const ordinal = ordinalOf(set, pod);
    return ordinal === undefined ? [] : [{ pod, ordinal }];
  });
  const podAt = new Map(numbered.map(({ pod, ordinal }) => [ordinal, pod]));
  const wanted = Array.from({ length: replicas }, (_, index) => start + index);
  const surplus = numbered
    .filter(({ ordinal }) => ordinal < start || ordinal >= start + replicas)
    .sort((one, other) => other.ordinal - one.ordinal)
    .map(({ pod }) => pod);
  const wait = (pod: FullPod): number | undefined => availableIn(pod, minReadySeconds, now);
  const isAvailable = (pod: FullPod | undefined): boolean => pod !== undefined && isActive(pod) && wait(pod) === 0;
  const step = set.spec.podManagementPolicy === "Parallel" ? parallelStep : orderedStep;
  const { create, remove } = step({ wanted, podAt, surplus, isAvailable });
  const active = numbered.map(({ pod }) => pod).filter(isActive);
  const isSettled =
    create.length + remove.length === 0 && surplus.length === 0 && wanted.every((ordinal) => isAvailable(podAt.get(ordinal)));
  const waits = active.flatMap((pod) => wait(pod) ?? []).filter((milliseconds) => milliseconds > 0);
  return {
    create,
    remove: [...remove, ...(isSettled ? outdated(set, { wanted, podAt, updateRevision }).slice(0, 1) : [])],
    nextCheck: waits.length === 0 ? undefined : Math.min(...waits),
    status: statusOf(set, active, { isAvailable, isSettled, updateRevision }),
  };
}

interface Pods {
  readonly wanted: readonly number[];
  readonly podAt: ReadonlyMap<number, FullPod>;
  /** From the highest number on. */
  readonly surplus: readonly FullPod[];
  readonly isAvailable: (pod: FullPod | undefined) => boolean;
}

type Step = Pick<StatefulPlan, "create" | "remove">;

const isLeaving = ({ metadata }: FullPod): boolean => metadata.deletionTimestamp !== undefined;

function orderedStep({ wanted, podAt, surplus, isAvailable }: Pods): Step {
  for (const ordinal of wanted) {
    const pod = podAt.get(ordinal);
    if (pod === undefined) return { create: [ordinal], remove: [] };
    if (!isLeaving(pod) && !isActive(pod)) return { create: [], remove: [pod] };
    if (!isAvailable(pod)) return { create: [], remove: [] };
  }
  const [last] = surplus;
  return { create: [], remove: last === undefined || isLeaving(last) ? [] : [last] };
}

function parallelStep({ wanted, podAt, surplus }: Pods): Step {
  const ended = [...podAt.values()].filter((pod) => !isActive(pod) && !surplus.includes(pod));
  return {
    create: wanted.filter((ordinal) => !podAt.has(ordinal)),
    remove: [...surplus, ...ended].filter((pod) => !isLeaving(pod)),
  };
}

/** Pods of an older template that the strategy lets go, from the highest number on. */
function outdated(
  set: StatefulSet,
  { wanted, podAt, updateRevision }: Pick<Pods, "wanted" | "podAt"> & Pick<StatefulState, "updateRevision">,
): FullPod[] {
  const { type, rollingUpdate } = set.spec.updateStrategy ?? {};
  if (type === "OnDelete") return [];
  return wanted
    .slice(rollingUpdate?.partition ?? 0)
    .toReversed()
    .flatMap((ordinal) => podAt.get(ordinal) ?? [])
    .filter(({ metadata }) => metadata.labels?.[revisionLabel] !== updateRevision);
}

function statusOf(
  set: StatefulSet,
  active: readonly FullPod[],
  {
    isAvailable,
    isSettled,
    updateRevision,
  }: Pick<Pods, "isAvailable"> & Pick<StatefulState, "updateRevision"> & { readonly isSettled: boolean },
): StatefulPlan["status"] {
  const ofRevision = (revision: string): number => active.filter(({ metadata }) => metadata.labels?.[revisionLabel] === revision).length;
  const updated = ofRevision(updateRevision);
  const agree = isSettled && updated === active.length;
  const currentRevision = agree ? updateRevision : (set.status?.currentRevision ?? updateRevision);
  return {
    replicas: active.length,
    readyReplicas: active.filter(isReady).length,
    availableReplicas: active.filter(isAvailable).length,
    currentReplicas: ofRevision(currentRevision),
    updatedReplicas: updated,
    currentRevision,
    updateRevision,
  };
}
