import { parseQuantity } from "../quantity.ts";
import { containersOf, type FullPodSpec } from "./types.ts";

/** Who is evicted first: `Guaranteed` when every container limits cpu and memory to what it requests, `BestEffort` when none says anything. */
export function qosClassOf(spec: FullPodSpec): "Guaranteed" | "Burstable" | "BestEffort" {
  const compute = ["cpu", "memory"];
  const amounts = (of: Readonly<Record<string, string>> | undefined): ReadonlyMap<string, number> =>
    new Map(
      Object.entries(of ?? {})
        .flatMap(([name, text]) => (compute.includes(name) ? [[name, parseQuantity(text) ?? 0] as const] : []))
        .filter(([, amount]) => amount > 0),
    );
  const all = containersOf(spec).map(({ resources }) => ({ limits: amounts(resources?.limits), requests: amounts(resources?.requests) }));
  if (all.every(({ limits, requests }) => limits.size === 0 && requests.size === 0)) return "BestEffort";
  const guaranteed = all.every(({ limits, requests }) =>
    compute.every((name) => limits.has(name) && (requests.get(name) ?? limits.get(name)) === limits.get(name)),
  );
  return guaranteed ? "Guaranteed" : "Burstable";
}
