import type { Container } from "./kinds.ts";
import { parseQuantity } from "./quantity.ts";

/** Who is evicted first, and whose processes the kernel ends first. */
export type QosClass = "Guaranteed" | "Burstable" | "BestEffort";

const compute = ["cpu", "memory"];

/**
 * Kubernetes' rule over all containers of a pod, init containers included: `Guaranteed` when every one limits CPU and memory to what it requests,
 * `BestEffort` when none says anything. An amount of zero says nothing.
 */
export function qosClassOf(containers: readonly Pick<Container, "resources">[]): QosClass {
  const all = containers.map(({ resources }) => ({ limits: amounts(resources?.limits), requests: amounts(resources?.requests) }));
  if (all.every(({ limits, requests }) => limits.size === 0 && requests.size === 0)) return "BestEffort";
  const guaranteed = all.every(({ limits, requests }) =>
    compute.every((name) => limits.has(name) && (requests.get(name) ?? limits.get(name)) === limits.get(name)),
  );
  return guaranteed ? "Guaranteed" : "Burstable";
}

function amounts(of: Readonly<Record<string, string>> | undefined): ReadonlyMap<string, number> {
  const stated = Object.entries(of ?? {}).filter(([name]) => compute.includes(name));
  return new Map(stated.map(([name, text]) => [name, parseQuantity(text) ?? 0] as const).filter(([, amount]) => amount > 0));
}
