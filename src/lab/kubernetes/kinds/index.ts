import type { ResourceDefinition } from "#lib/apiserver/resource.ts";
import type { Prefix } from "#lib/ip/prefix.ts";
import { apiServiceDefinition } from "./api-service.ts";
import { certificateSigningRequestDefinition } from "./certificate/certificate-signing-request.ts";
import { configMapDefinition } from "./config-map.ts";
import { endpointSliceDefinition } from "./endpoint-slice.ts";
import { endpointsDefinition } from "./endpoints.ts";
import { eventDefinition } from "./event.ts";
import { leaseDefinition } from "./lease.ts";
import { namespaceDefinition } from "./namespace.ts";
import { networkPolicyDefinition } from "./network-policy.ts";
import { nodeDefinition } from "./node.ts";
import { podDefinition } from "./pod/pod.ts";
import { rbacDefinitions } from "./rbac.ts";
import { secretDefinition } from "./secret.ts";
import { serviceDefinition } from "./service/service.ts";
import { serviceAccountDefinition } from "./service-account.ts";
import { persistentVolumeClaimDefinition } from "./storage/persistent-volume-claim.ts";
import { persistentVolumeDefinition } from "./storage/persistent-volume.ts";
import { storageClassDefinition } from "./storage/storage-class.ts";
import { controllerRevisionDefinition } from "./workload/controller-revision.ts";
import { daemonSetDefinition } from "./workload/daemon-set.ts";
import { deploymentDefinition } from "./workload/deployment.ts";
import { replicaSetDefinition } from "./workload/replica-set.ts";
import { statefulSetDefinition } from "./workload/stateful-set.ts";

/**
 * Every kind that the lab's API serves. The caller adds what needs a process: `pods/log`, `pods/exec`, `pods/binding`,
 * `serviceaccounts/token` and the reviews, by `withSubresources`. Kinds that are not here answer 404.
 */
export function kubernetesKinds(options: { readonly serviceCidrs: readonly Prefix[] }): readonly ResourceDefinition[] {
  return [
    namespaceDefinition,
    nodeDefinition,
    podDefinition,
    serviceDefinition(options),
    configMapDefinition,
    secretDefinition,
    serviceAccountDefinition,
    eventDefinition,
    deploymentDefinition,
    replicaSetDefinition,
    daemonSetDefinition,
    statefulSetDefinition,
    controllerRevisionDefinition,
    networkPolicyDefinition,
    endpointSliceDefinition,
    endpointsDefinition,
    leaseDefinition,
    persistentVolumeClaimDefinition,
    persistentVolumeDefinition,
    storageClassDefinition,
    certificateSigningRequestDefinition,
    ...rbacDefinitions,
    apiServiceDefinition,
  ];
}
