import { seconds } from "#lib/runtime/duration.ts";
import type { FullPod } from "../kinds/pod/types.ts";

/** True while a pod runs or will run. */
export function isActive({ metadata, status }: FullPod): boolean {
  return metadata.deletionTimestamp === undefined && status?.phase !== "Succeeded" && status?.phase !== "Failed";
}

export function isReady({ status }: FullPod): boolean {
  return readyCondition(status)?.status === "True";
}

const readyCondition = (status: FullPod["status"]) => status?.conditions?.find(({ type }) => type === "Ready");

/** Milliseconds until a pod counts as available: 0 when it does, undefined while it is not ready. */
export function availableIn({ status }: FullPod, minReadySeconds: number, now: number): number | undefined {
  const ready = readyCondition(status);
  if (ready?.status !== "True") return undefined;
  if (minReadySeconds === 0) return 0;
  const since = Date.parse(ready.lastTransitionTime ?? "");
  return Number.isNaN(since) ? seconds(minReadySeconds) : Math.max(0, since + seconds(minReadySeconds) - now);
}

const phaseOrder: Readonly<Record<string, number>> = { Pending: 0, Unknown: 1, Running: 2 };

/**
 * Pods in the order in which a set gives them up: without a node, not running, not ready first; then those on nodes that hold most of
 * them; then the younger.
 */
export function removalOrder(own: readonly FullPod[]): FullPod[] {
  const onNode = Map.groupBy(own, ({ spec }) => spec.nodeName ?? "");
  const rank = (pod: FullPod): readonly number[] => [
    pod.spec.nodeName ? 1 : 0,
    phaseOrder[pod.status?.phase ?? ""] ?? 0,
    isReady(pod) ? 1 : 0,
    -(onNode.get(pod.spec.nodeName ?? "")?.length ?? 0),
    -Date.parse(pod.metadata.creationTimestamp ?? ""),
  ];
  return own.toSorted((left, right) => compare(rank(left), rank(right)));
}

function compare(left: readonly number[], right: readonly number[]): number {
  for (const [index, value] of left.entries()) {
    const difference = value - (right[index] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}
