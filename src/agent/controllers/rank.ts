import { hash } from "node:crypto";
import type { ControllerReplica } from "./replicas.ts";

const standings = ["ready", "unready", "indirect"] as const satisfies readonly ControllerReplica["standing"][];

/**
 * The order in which `node` tries replicas: by standing, then by rendezvous hash (Thaler and Ravishankar, 1998). Nodes spread evenly, and when a replica goes
 * only its own nodes go elsewhere, spread again.
 */
export function ranked<Replica extends Pick<ControllerReplica, "name" | "standing">>(
  replicas: readonly Replica[],
  node: string,
): readonly Replica[] {
  const weights = new Map(replicas.map((replica) => [replica, hash("sha256", `${node} ${replica.name}`, "hex")]));
  const weight = (replica: Replica): string => weights.get(replica) ?? "";
  return [...replicas].sort(
    (one, other) => standings.indexOf(one.standing) - standings.indexOf(other.standing) || (weight(one) > weight(other) ? -1 : 1),
  );
}
