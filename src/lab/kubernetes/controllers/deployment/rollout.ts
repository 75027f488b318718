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

/** While a Deployment is paused its size still follows: the newest set that runs takes the difference. */
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
