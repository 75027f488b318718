import type { Deployment, ReplicaSet } from "../../kinds/workload/types.ts";

/** A ReplicaSet and the number of pods it shall have. */
export interface Scaling {
  readonly set: ReplicaSet;
  readonly replicas: number;
}

/** Old ReplicaSets, oldest first, and the one of the present template. */
export interface Sets {
  readonly newSet: ReplicaSet;
  readonly oldSets: readonly ReplicaSet[];
}

/** What the Deployment's size was, and how many pods it allowed, when a set was last given its size: so a change of size is told from a step of a rollout. */
const desiredAnnotation = "deployment.kubernetes.io/desired-replicas";
const maxAnnotation = "deployment.kubernetes.io/max-replicas";

const wanted = ({ spec }: ReplicaSet): number => spec.replicas ?? 1;
const available = ({ status }: ReplicaSet): number => status?.availableReplicas ?? 0;
const sum = (numbers: readonly number[]): number => numbers.reduce((total, one) => total + one, 0);

/** Pods above and below the wanted number that a rollout may have. Percentages round in favour of progress upwards, of safety downwards. */
export function limitsOf({ spec }: Deployment): { readonly maxSurge: number; readonly maxUnavailable: number } {
  const replicas = spec.replicas ?? 1;
  if (spec.strategy?.type === "Recreate") return { maxSurge: 0, maxUnavailable: replicas };
  const { maxSurge = "25%", maxUnavailable = "25%" } = spec.strategy?.rollingUpdate ?? {};
  const surge = amount(maxSurge, replicas, Math.ceil);
  const down = Math.min(amount(maxUnavailable, replicas, Math.floor), replicas);
  // With neither, nothing could ever move.
  return { maxSurge: surge, maxUnavailable: surge === 0 && down === 0 ? 1 : down };
}

/** A number of pods, or a percentage `of` them. */
export function amount(value: number | string, of: number, round: (fraction: number) => number): number {
  return typeof value === "number" ? value : round((Number.parseInt(value, 10) * of) / 100);
}

/** The annotations of a set that is given its size now. */
export function sizeAnnotations(deployment: Deployment): Readonly<Record<string, string>> {
  const replicas = deployment.spec.replicas ?? 1;
  return { [desiredAnnotation]: String(replicas), [maxAnnotation]: String(allowedOf(deployment)) };
}

const allowedOf = (deployment: Deployment): number => {
  const replicas = deployment.spec.replicas ?? 1;
  return replicas === 0 ? 0 : replicas + limitsOf(deployment).maxSurge;
};

/**
 * After a change of size amid a rollout: every set that has pods takes its share of the difference, so that the rollout stands where it stood, in parts
 * of the whole. Undefined when the size has not changed, or there is one set at most.
 */
export function resizedStep(deployment: Deployment, sets: readonly ReplicaSet[]): readonly Scaling[] | undefined {
  const active = sets.filter((set) => wanted(set) > 0);
  const replicas = deployment.spec.replicas ?? 1;
  const resized = active.some(({ metadata }) => (metadata.annotations?.[desiredAnnotation] ?? String(replicas)) !== String(replicas));
  if (!resized || active.length < 2 || deployment.spec.strategy?.type === "Recreate") return undefined;
  const allowed = allowedOf(deployment);
  let left = allowed - sum(active.map(wanted));
  const bySize = active.toSorted((a, b) => wanted(b) - wanted(a));
  const shares = bySize.map((set) => {
    const before = Number(set.metadata.annotations?.[maxAnnotation]);
    const total = Number.isInteger(before) && before > 0 ? before : sum(active.map(wanted));
    const share = Math.round((wanted(set) * allowed) / total) - wanted(set);
    const taken = left > 0 ? Math.max(0, Math.min(left, share)) : Math.min(0, Math.max(left, share));
    left -= taken;
    return { set, replicas: Math.max(0, wanted(set) + taken) };
  });
  // What rounding leaves over is the largest set's, as far as it has it.
  return shares.map(({ set, replicas: share }) => {
    const rest = Math.max(-share, left);
    left -= rest;
    return { set, replicas: share + rest };
  });
}

/** The next step of a rolling update: first grow the new set as far as the surge allows, else shrink old ones as far as availability allows. */
export function rollingStep(deployment: Deployment, { newSet, oldSets }: Sets): readonly Scaling[] {
  const replicas = deployment.spec.replicas ?? 1;
  const { maxSurge, maxUnavailable } = limitsOf(deployment);
  const total = wanted(newSet) + sum(oldSets.map(wanted));
  if (wanted(newSet) > replicas) return [{ set: newSet, replicas }];
  const growth = Math.min(replicas - wanted(newSet), replicas + maxSurge - total);
  if (growth > 0) return [{ set: newSet, replicas: wanted(newSet) + growth }];
  const newUnavailable = Math.max(0, wanted(newSet) - available(newSet));
  const minimum = replicas - maxUnavailable;
  return shrink(oldSets, { total: total - minimum - newUnavailable, spare: available(newSet) + sum(oldSets.map(available)) - minimum });
}

/** Takes pods that do not serve from old sets first: they cost no availability. Then serving ones, from the oldest set on, while there are spare ones. */
function shrink(oldSets: readonly ReplicaSet[], limits: { readonly total: number; readonly spare: number }): readonly Scaling[] {
  let left = limits.total;
  let spare = limits.spare;
  return oldSets.flatMap((set) => {
    const broken = Math.max(0, Math.min(left, wanted(set) - available(set)));
    left -= broken;
    const serving = Math.max(0, Math.min(left, spare, wanted(set) - broken));
    left -= serving;
    spare -= serving;
    return broken + serving > 0 ? [{ set, replicas: wanted(set) - broken - serving }] : [];
  });
}

/** The next step of `Recreate`: nothing new before every old pod is gone. `oldPods` counts those still there. */
export function recreateStep(deployment: Deployment, { newSet, oldSets }: Sets, oldPods: number): readonly Scaling[] {
  const running = oldSets.filter((set) => wanted(set) > 0);
  if (running.length > 0) return running.map((set) => ({ set, replicas: 0 }));
  const replicas = deployment.spec.replicas ?? 1;
  return oldPods > 0 || wanted(newSet) === replicas ? [] : [{ set: newSet, replicas }];
}

/** While a Deployment is paused its size still follows: where there is one set, or nobody knows what the size was, the newest set that runs takes the difference. */
export function pausedStep(deployment: Deployment, sets: readonly ReplicaSet[]): readonly Scaling[] {
  const running = sets.filter((set) => wanted(set) > 0);
  const set = running.at(-1) ?? sets.at(-1);
  const replicas = deployment.spec.replicas ?? 1;
  const total = sum(sets.map(wanted));
  // A rollout that was stopped half way may stand anywhere within its limits.
  const { maxSurge, maxUnavailable } = limitsOf(deployment);
  const resting = running.length > 1 && total <= replicas + maxSurge && total >= replicas - maxUnavailable;
  const difference = replicas - total;
  if (set === undefined || difference === 0 || resting) return [];
  return [{ set, replicas: Math.max(0, wanted(set) + difference) }];
}
