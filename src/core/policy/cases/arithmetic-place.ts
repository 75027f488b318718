import { type Family, type IpAddress, type Prefix, parsePrefix } from "#lib/ip/index.ts";
import type { CaseCluster } from "./cluster.ts";
import { svc } from "./notation.ts";
import type { Place } from "./place.ts";

/** The blocks of pod addresses of a node of the place below. */
export const podCidrs: Readonly<Record<"node-1" | "node-2", Readonly<Record<Family, Prefix>>>> = {
  "node-1": { 4: parsePrefix("10.10.0.0/24"), 6: parsePrefix("fd00:10:10::/64") },
  "node-2": { 4: parsePrefix("10.10.1.0/24"), 6: parsePrefix("fd00:10:10:1::/64") },
};

/** The blocks of ClusterIPs. Services have the addresses in the order of their creation. */
const serviceCidrs: Readonly<Record<Family, Prefix>> = { 4: parsePrefix("10.96.0.0/16"), 6: parsePrefix("fd00:10:96::/112") };
const firstService = 10n;

/** The first pod's number in its node's block: behind the network's own address and the gateway. */
const firstPod = 2n;

/**
 * A place that needs no cluster: a node's gateway has the first address of its block, its pods the next ones in the order they are listed.
 * A pod that ended gives its address to the next one.
 */
export function arithmeticPlace(cluster: CaseCluster): Place {
  const numbers = new Map<string, bigint>();
  for (const node of ["node-1", "node-2"] as const) {
    let next = firstPod;
    for (const pod of cluster.pods.values()) {
      if (pod.node !== node || pod.hostNetwork) continue;
      numbers.set(pod.name, next);
      if (pod.ends === undefined) next++;
    }
  }
  const services = new Map([...cluster.services.keys()].map((name, index) => [svc(name), firstService + BigInt(index)]));
  return {
    namespace: (name) => name,
    address(end, family): IpAddress | undefined {
      if (end === "node-1" || end === "node-2") return podCidrs[end][family].address.plus(1n);
      const service = services.get(end);
      if (service !== undefined) return serviceCidrs[family].address.plus(service);
      const pod = cluster.pods.get(end);
      const number = numbers.get(end);
      return pod === undefined || number === undefined ? undefined : podCidrs[pod.node][family].address.plus(number);
    },
  };
}
