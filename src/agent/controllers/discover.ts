import { followServiceReplicas, type ServiceReplicasOptions } from "#lib/daemon/index.ts";
import type { ControllerReplica, ControllerReplicas } from "./replicas.ts";

export type DiscoverOptions = Omit<ServiceReplicasOptions, "service" | "authorityConfigMap">;

/**
 * All endpoints of Service `antrea`, each known by the authority in ConfigMap `antrea-ca`, and last the way through the Kubernetes API, which is all there is
 * where a network lets nobody near the controllers.
 */
export function discoverControllers(options: DiscoverOptions): ControllerReplicas & { close(): void } {
  const replicas = followServiceReplicas({ ...options, service: "antrea", authorityConfigMap: "antrea-ca" });
  const indirect: ControllerReplica = { name: "Kubernetes API", client: options.kubernetes, standing: "indirect" };
  return {
    known: () => [
      ...replicas.known().map(({ name, client, ready }): ControllerReplica => ({ name, client, standing: ready ? "ready" : "unready" })),
      indirect,
    ],
    onChange: replicas.onChange,
    whenKnown: replicas.whenKnown,
    close: replicas.close,
  };
}
