import { seconds } from "#lib/runtime/duration.ts";
import type { Deployment, ReplicaSet } from "../../kinds/workload/types.ts";
import { limitsOf } from "./rollout.ts";

type Status = NonNullable<Deployment["status"]>;
type DeploymentCondition = NonNullable<Status["conditions"]>[number];

const sum = (sets: readonly ReplicaSet[], of: (set: ReplicaSet) => number | undefined): number =>
  sets.reduce((total, set) => total + (of(set) ?? 0), 0);

export interface StatusInput {
  readonly deployment: Deployment;
  readonly newSet: ReplicaSet | undefined;
  readonly oldSets: readonly ReplicaSet[];
  /** Milliseconds since the epoch. */
  readonly now: number;
  /** True when the new ReplicaSet was made just now. */
  readonly created: boolean;
}

/** What the status of a Deployment shall be. */
export function statusFor({ deployment, newSet, oldSets, now, created }: StatusInput): Status {
  const sets = newSet === undefined ? oldSets : [...oldSets, newSet];
  const availableReplicas = sum(sets, ({ status }) => status?.availableReplicas);
  const counts = {
    observedGeneration: deployment.metadata.generation ?? 0,
    replicas: sum(sets, ({ status }) => status?.replicas),
    updatedReplicas: newSet?.status?.replicas ?? 0,
    readyReplicas: sum(sets, ({ status }) => status?.readyReplicas),
    availableReplicas,
    unavailableReplicas: Math.max(0, sum(sets, ({ spec }) => spec.replicas) - availableReplicas),
  };
  const before = deployment.status ?? {};
  const set = (old: DeploymentCondition | undefined, next: Verdict): DeploymentCondition => conditionFrom(old, next, now);
  const old = (type: string) => before.conditions?.find((one) => one.type === type);
  const progressing = progress({ deployment, newSet, counts, now, created });
  const conditions = [
    set(old("Available"), availability(deployment, availableReplicas)),
    ...(progressing === undefined
      ? (before.conditions ?? []).filter(({ type }) => type === "Progressing")
      : [set(old("Progressing"), progressing)]),
  ];
  return { ...counts, ...(before.collisionCount === undefined ? {} : { collisionCount: before.collisionCount }), conditions };
}

/** Every pod is of the present template and available, none of another is left. */
export function isComplete({ spec, metadata }: Deployment, status: Status): boolean {
  const replicas = spec.replicas ?? 1;
  return (
    status.updatedReplicas === replicas &&
    status.replicas === replicas &&
    status.availableReplicas === replicas &&
    (status.observedGeneration ?? 0) >= (metadata.generation ?? 0)
  );
}

/** Milliseconds until a rollout without progress counts as failed; undefined when none is under way. */
export function deadlineIn({ spec }: Deployment, status: Status, now: number): number | undefined {
  const progressing = status.conditions?.find(({ type }) => type === "Progressing");
  if (progressing === undefined || spec.paused || settled.has(progressing.reason ?? "")) return undefined;
  const since = Date.parse(progressing.lastUpdateTime ?? "");
  return Math.max(0, since + seconds(spec.progressDeadlineSeconds ?? 600) - now);
}

const settled = new Set(["NewReplicaSetAvailable", "ProgressDeadlineExceeded"]);

type Verdict = Pick<DeploymentCondition, "type" | "status"> & {
  readonly reason: string;
  readonly message: string;
  /** Something moved: the deadline counts from now. */
  readonly moved?: boolean;
};

function availability(deployment: Deployment, availableReplicas: number): Verdict {
  const enough = availableReplicas >= (deployment.spec.replicas ?? 1) - limitsOf(deployment).maxUnavailable;
  return enough
    ? { type: "Available", status: "True", reason: "MinimumReplicasAvailable", message: "Deployment has minimum availability." }
    : {
        type: "Available",
        status: "False",
        reason: "MinimumReplicasUnavailable",
        message: "Deployment does not have minimum availability.",
      };
}

interface ProgressInput extends Omit<StatusInput, "oldSets"> {
  readonly counts: Status;
}

function progress({ deployment, newSet, counts, now, created }: ProgressInput): Verdict | undefined {
  const type = "Progressing";
  const name = newSet === undefined ? `Deployment "${deployment.metadata.name}"` : `ReplicaSet "${newSet.metadata.name}"`;
  const before = deployment.status ?? {};
  const reason = before.conditions?.find((one) => one.type === type)?.reason;
  if (deployment.spec.paused) return { type, status: "Unknown", reason: "DeploymentPaused", message: "Deployment is paused" };
  if (created)
    return {
      type,
      status: "True",
      reason: "NewReplicaSetCreated",
      message: `Created new replica set "${newSet?.metadata.name}"`,
      moved: true,
    };
  if (isComplete(deployment, counts))
    return { type, status: "True", reason: "NewReplicaSetAvailable", message: `${name} has successfully progressed.` };
  if (hasMoved(before, counts))
    return { type, status: "True", reason: "ReplicaSetUpdated", message: `${name} is progressing.`, moved: true };
  if (reason === "DeploymentPaused")
    return { type, status: "Unknown", reason: "DeploymentResumed", message: "Deployment is resumed", moved: true };
  const left = deadlineIn(deployment, before, now);
  if (left === 0) return { type, status: "False", reason: "ProgressDeadlineExceeded", message: `${name} has timed out progressing.` };
  return undefined;
}

function hasMoved(before: Status, after: Status): boolean {
  const stale = (status: Status): number => (status.replicas ?? 0) - (status.updatedReplicas ?? 0);
  return (
    (after.updatedReplicas ?? 0) > (before.updatedReplicas ?? 0) ||
    stale(after) < stale(before) ||
    (after.readyReplicas ?? 0) > (before.readyReplicas ?? 0) ||
    (after.availableReplicas ?? 0) > (before.availableReplicas ?? 0)
  );
}

function conditionFrom(old: DeploymentCondition | undefined, { moved = false, ...next }: Verdict, now: number): DeploymentCondition {
  const time = `${new Date(now).toISOString().slice(0, 19)}Z`;
  const sameStatus = old?.status === next.status;
  if (old !== undefined && sameStatus && old.reason === next.reason && !moved) return old;
  return { ...next, lastUpdateTime: time, lastTransitionTime: sameStatus ? (old?.lastTransitionTime ?? time) : time };
}
