import type { Peers } from "#controller/exchange/follow-peers.ts";
import type { ControllerReplicas } from "#agent/controllers/replicas.ts";
import {
  type EndpointSlice,
  endpointSlices,
  isAlreadyExists,
  type KubeClient,
  leanPod,
  pods,
  type Resource,
  reflect,
  secrets,
  services,
} from "#lib/kube/index.ts";
import { type Runtime, seconds, sleep } from "#lib/runtime/index.ts";
import { serviceOfSlice } from "#agent/services/follow.ts";
import { runControllers } from "../kubernetes/controllers/index.ts";
import { runEndpointSlices } from "../kubernetes/controllers/endpoint-slice.ts";
import type { FullPod } from "../kubernetes/kinds/pod/types.ts";
import type { FullService } from "../kubernetes/kinds/service/types.ts";
import type { Build } from "./builds.ts";
import type { SimProcess } from "./process.ts";

/** The namespace and name of the Service by which agents find controllers. */
const antrea = { namespace: "kube-system", name: "antrea" } as const;
/** Who stands for kubelets of controllers looks this often whether they are ready. */
const probeInterval = seconds(1);
const controllerPort = 10_349;

/** One controller as the cluster's network knows it. */
export interface ControllerEndpoint {
  readonly name: string;
  /** Another one after each start, as that of a Pod that another one takes the place of. */
  readonly address: string;
}

/** Where a controller is at its start of that number. */
export const controllerAddress = (index: number, start: number): string => `172.31.${index}.${(start % 250) + 1}`;

/** Pretends to be kube-controller-manager, as far as Services need it, and the kubelets of controllers: slices list who serves. */
export function keepEndpoints(options: {
  readonly runtime: Runtime;
  readonly client: KubeClient;
  readonly process: SimProcess;
  /** Its other controllers too, and a scheduler. */
  readonly workloads: boolean;
  readonly controllers: () => readonly ControllerEndpoint[];
  /** Asks a controller over the network whether it is ready. */
  readonly isReady: (controller: ControllerEndpoint) => Promise<boolean>;
}): void {
  const { runtime, client, process, workloads, controllers, isReady } = options;
  const { signal } = process;
  const source = { runtime, client, signal };
  const runAll = (): Promise<void> =>
    runControllers({ runtime, client, podCidrs: [], rootCa: "simulated", nodeGracePeriod: seconds(Number.MAX_SAFE_INTEGER / 1e6), signal });
  const runSlices = async (): Promise<void> => {
    const byNamespace = { namespace: ({ metadata }: { readonly metadata: { readonly namespace?: string } }) => [metadata.namespace ?? ""] };
    const cluster = {
      // What slices tell of a pod is all in there, but for a name of its own, which none of these pods has.
      pods: reflect({
        ...source,
        resource: pods as Resource<FullPod>,
        indexes: byNamespace,
        transform: leanPod as (pod: FullPod) => FullPod,
      }),
      services: reflect({ ...source, resource: services as Resource<FullService>, indexes: byNamespace }),
      endpointSlices: reflect({ ...source, resource: endpointSlices, indexes: { service: serviceOfSlice } }),
    };
    await Promise.all([cluster.pods, cluster.services, cluster.endpointSlices].map((table) => table.whenSynced()));
    runEndpointSlices({ ...source, cluster });
  };
  const start = async (): Promise<void> => {
    await (workloads ? runAll() : runSlices());
    for (let told = ""; !signal.aborted; await sleep(runtime.clock, probeInterval, signal).catch(() => {})) {
      const all = controllers();
      const ready = await Promise.all(all.map(isReady));
      const endpoints = all.map(({ address }, index) => ({
        addresses: [address],
        conditions: { ready: ready[index] === true, serving: ready[index] === true, terminating: false },
      }));
      if (JSON.stringify(endpoints) === told) continue;
      const written = await writeSlice(client, endpoints).catch(() => false);
      if (written) told = JSON.stringify(endpoints);
    }
  };
  void start();
}

async function writeSlice(client: KubeClient, endpoints: NonNullable<EndpointSlice["endpoints"]>): Promise<boolean> {
  const metadata = { namespace: antrea.namespace, name: "antrea-1", labels: { "kubernetes.io/service-name": antrea.name } };
  const slice: EndpointSlice = { metadata, addressType: "IPv4", endpoints, ports: [{ port: controllerPort, protocol: "TCP" }] };
  try {
    await client.create(endpointSlices, slice);
  } catch (error) {
    if (!isAlreadyExists(error)) throw error;
    await client.patch(endpointSlices, { namespace: metadata.namespace, name: metadata.name }, { endpoints });
  }
  return true;
}

/** What the product's manifest has for controllers and those who look for them: the Secret that the first controller fills, and the Service without endpoints. */
export async function makeAntreaService(
  write: (resource: { readonly group: string; readonly resource: string }, object: object) => Promise<void>,
): Promise<void> {
  const secret = { apiVersion: "v1", kind: "Secret", metadata: { ...antrea, name: "antrea-ca" }, type: "Opaque" };
  await write({ group: "", resource: secrets.plural }, secret);
  const spec = { ports: [{ port: 443, protocol: "TCP", targetPort: controllerPort }] };
  await write({ group: "", resource: services.plural }, { apiVersion: "v1", kind: "Service", metadata: antrea, spec });
}

interface Finding {
  /** Whose code it is. */
  readonly build: Build;
  readonly runtime: Runtime;
  readonly kubernetes: KubeClient;
  readonly signal: AbortSignal;
  /** The way to whoever listens at the address. */
  readonly connect: (address: string) => KubeClient;
}

const known = { namespace: antrea.namespace, identity: { server: "" }, userAgent: "simulated" } as const;

/** All controllers, found as agents find them on a cluster. */
export const findControllers = ({ build, ...finding }: Finding): ControllerReplicas & { close(): void } =>
  build.discoverControllers({ ...finding, ...known });

/** The same as a controller finds them. */
export const findPeers = ({ build, ...finding }: Finding): Peers =>
  build.followServiceReplicas({ ...finding, ...known, service: antrea.name, authorityConfigMap: "antrea-ca" });
