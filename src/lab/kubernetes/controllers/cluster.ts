import type { KubeClient } from "#lib/kube/client.ts";
import {
  apiServices,
  configMaps,
  endpointSlices,
  leases,
  namespaces,
  networkPolicies,
  pods,
  secrets,
  serviceAccounts,
  services,
} from "#lib/kube/kinds.ts";
import { type Reflection, reflect } from "#lib/kube/reflector.ts";
import type { Resource } from "#lib/kube/resource.ts";
import type { KubeObject } from "#lib/kube/types.ts";
import type { Runtime } from "#lib/runtime/runtime.ts";
import { certificateSigningRequests } from "../kinds/certificate/types.ts";
import { endpoints } from "../kinds/endpoints.ts";
import { fullNodes } from "../kinds/node.ts";
import type { FullPod } from "../kinds/pod/types.ts";
import { clusterRoleBindings, clusterRoles, roleBindings, roles } from "../kinds/rbac.ts";
import { persistentVolumeClaims } from "../kinds/storage/types.ts";
import type { FullService } from "../kinds/service/types.ts";
import { controllerRevisions, daemonSets, deployments, replicaSets, statefulSets } from "../kinds/workload/types.ts";

/** What every controller gets. */
export interface ControllerContext {
  readonly runtime: Runtime;
  readonly client: KubeClient;
  readonly signal: AbortSignal;
  readonly cluster: Cluster;
}

/** The objects of the cluster as last heard: one table per kind, shared by all controllers. Events are not among them. */
export type Cluster = ReturnType<typeof followCluster>;

/** One kind with its table: what the garbage collector goes through. */
export interface Followed<Kind extends KubeObject = KubeObject> {
  readonly resource: Resource<Kind>;
  readonly table: Reflection<Kind>;
}

/** Indexes that all tables have: `owner` by the UID of each owner, `namespace`, `uid`. */
export const everyIndex = {
  owner: ({ metadata }: KubeObject) => (metadata.ownerReferences ?? []).map(({ uid }) => uid),
  namespace: ({ metadata }: KubeObject) => (metadata.namespace === undefined ? [] : [metadata.namespace]),
  uid: ({ metadata }: KubeObject) => (metadata.uid === undefined ? [] : [metadata.uid]),
};

export function followCluster(options: { readonly runtime: Runtime; readonly client: KubeClient; readonly signal: AbortSignal }) {
  const all: Followed[] = [];
  const follow = <Kind extends KubeObject>(resource: Resource<Kind>, indexes: Record<string, (object: Kind) => readonly string[]> = {}) => {
    const table = reflect<Kind>({ ...options, resource, indexes: { ...everyIndex, ...indexes } });
    all.push({ resource, table } as unknown as Followed);
    return table;
  };
  return {
    all: all as readonly Followed[],
    namespaces: follow(namespaces),
    nodes: follow(fullNodes),
    pods: follow(pods as Resource<FullPod>, { node: ({ spec }) => (spec.nodeName ? [spec.nodeName] : []) }),
    services: follow(services as Resource<FullService>),
    serviceAccounts: follow(serviceAccounts),
    configMaps: follow(configMaps),
    secrets: follow(secrets),
    endpointSlices: follow(endpointSlices, {
      service: ({ metadata }) => {
        const name = metadata.labels?.["kubernetes.io/service-name"];
        return name === undefined ? [] : [`${metadata.namespace}/${name}`];
      },
    }),
    endpoints: follow(endpoints),
    networkPolicies: follow(networkPolicies),
    deployments: follow(deployments),
    replicaSets: follow(replicaSets),
    daemonSets: follow(daemonSets),
    statefulSets: follow(statefulSets),
    controllerRevisions: follow(controllerRevisions),
    leases: follow(leases),
    persistentVolumeClaims: follow(persistentVolumeClaims),
    certificateSigningRequests: follow(certificateSigningRequests),
    roles: follow(roles),
    roleBindings: follow(roleBindings),
    clusterRoles: follow(clusterRoles),
    clusterRoleBindings: follow(clusterRoleBindings),
    apiServices: follow(apiServices),
  };
}
