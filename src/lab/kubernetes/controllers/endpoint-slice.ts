import { createHash } from "node:crypto";
import { type EndpointSlice, endpointSlices, type SliceEndpoint, type SlicePort, services } from "#lib/kube/kinds.ts";
import { isAlreadyExists, isNotFound } from "#lib/kube/errors.ts";
import { keyOf, type Resource } from "#lib/kube/resource.ts";
import { createWorkqueue } from "#lib/kube/workqueue.ts";
import { tryParseAddress } from "#lib/ip/address.ts";
import type { FullPod } from "../kinds/pod/types.ts";
import { same } from "../kinds/rules.ts";
import type { FullService } from "../kinds/service/types.ts";
import type { Cluster, ControllerContext } from "./cluster.ts";
import { controllerReference } from "./owners.ts";
import { isReady } from "./pod-state.ts";
import { until } from "./until.ts";

const managedBy = "endpointslice.kubernetes.io/managed-by";
const manager = "endpointslice-controller.k8s.io";
const serviceName = "kubernetes.io/service-name";
/** Endpoints per slice, as Kubernetes fills them. */
const sliceSize = 100;

/** Lists the pods behind each Service that has a selector. */
export function runEndpointSlices(
  context: Omit<ControllerContext, "cluster"> & { readonly cluster: Pick<Cluster, "pods" | "services" | "endpointSlices"> },
): void {
  const { runtime, client, signal, cluster } = context;
  const ignoring = async (expected: (error: unknown) => boolean, write: () => Promise<unknown>): Promise<void> => {
    try {
      await write();
    } catch (error) {
      if (!expected(error)) throw error;
    }
  };
  const work = async (key: string): Promise<void> => {
    const service = cluster.services.get(key);
    const present = cluster.endpointSlices.by("service", key).filter(({ metadata }) => metadata.labels?.[managedBy] === manager);
    const pods = service === undefined ? [] : cluster.pods.by("namespace", service.metadata.namespace ?? "");
    const wanted = service === undefined || service.metadata.deletionTimestamp !== undefined ? [] : slicesFor(service, pods);
    const names = new Set(wanted.map(({ metadata }) => metadata.name));
    for (const slice of wanted) {
      const before = cluster.endpointSlices.get(keyOf(slice));
      if (before === undefined) await ignoring(isAlreadyExists, () => client.create(endpointSlices, slice));
      else if (!isContent(before, slice))
        await client.update(endpointSlices, { ...slice, metadata: { ...before.metadata, labels: slice.metadata.labels ?? {} } });
    }
    await until(context, cluster.endpointSlices, () => wanted.every((slice) => isContent(cluster.endpointSlices.get(keyOf(slice)), slice)));
    for (const { metadata } of present) {
      const { name = "", namespace } = metadata;
      if (!names.has(name)) await ignoring(isNotFound, () => client.delete(endpointSlices, { namespace, name }));
    }
  };
  const queue = createWorkqueue({ runtime, name: "endpointslices", work, signal });
  cluster.services.subscribe(({ key }) => queue.add(key), { replay: true });
  cluster.endpointSlices.subscribe(({ before, after }) => {
    const { namespace, labels } = (after ?? before)?.metadata ?? {};
    if (labels?.[managedBy] === manager) queue.add(`${namespace}/${labels[serviceName]}`);
  });
  cluster.pods.subscribe(({ before, after }) => {
    if (before !== undefined && after !== undefined && same(relevant(before), relevant(after))) return;
    for (const service of cluster.services.by("namespace", (after ?? before)?.metadata.namespace ?? ""))
      if ([before, after].some((pod) => pod !== undefined && isBehind(service, pod))) queue.add(keyOf(service));
  });
}

const content = ({ metadata, endpoints, ports }: EndpointSlice): unknown => ({ labels: metadata.labels, endpoints, ports });

const isContent = (present: EndpointSlice | undefined, wanted: EndpointSlice): boolean =>
  present !== undefined && same(content(present), content(wanted));

/** What of a pod shows in a slice. */
const relevant = ({ metadata, spec, status }: FullPod): unknown => ({
  labels: metadata.labels,
  deleted: metadata.deletionTimestamp !== undefined,
  uid: metadata.uid,
  node: spec.nodeName,
  phase: status?.phase,
  addresses: status?.podIPs,
  ready: status?.conditions?.find(({ type }) => type === "Ready")?.status,
});

function isBehind({ spec }: FullService, { metadata }: FullPod): boolean {
  const selector = Object.entries(spec?.selector ?? {});
  return selector.length > 0 && selector.every(([name, value]) => metadata.labels?.[name] === value);
}

/** The slices that a service shall have: per family, per set of resolved ports, at most {@link sliceSize} endpoints. */
export function slicesFor(service: FullService, pods: readonly FullPod[]): EndpointSlice[] {
  const { spec } = service;
  if (spec?.type === "ExternalName" || Object.keys(spec?.selector ?? {}).length === 0) return [];
  const serving = pods
    .filter((pod) => isBehind(service, pod) && pod.status?.phase !== "Succeeded" && pod.status?.phase !== "Failed")
    .toSorted((left, right) => (keyOf(left) < keyOf(right) ? -1 : 1));
  return (spec?.ipFamilies ?? []).flatMap((family) => {
    const entries = serving.flatMap((pod) => entryFor(service, pod, family));
    const groups = [...Map.groupBy(entries, ({ ports }) => JSON.stringify(ports))];
    if (groups.length === 0) groups.push(["[]", []]);
    return groups.flatMap(([identity, members]) => {
      const count = Math.max(1, Math.ceil(members.length / sliceSize));
      return Array.from({ length: count }, (_, index) => {
        const endpoints = members.slice(index * sliceSize, (index + 1) * sliceSize).map(({ endpoint }) => endpoint);
        return sliceFrom(service, { family, identity: `${identity}/${index}`, ports: members[0]?.ports ?? [], endpoints });
      });
    });
  });
}

interface Entry {
  readonly endpoint: SliceEndpoint;
  readonly ports: readonly SlicePort[];
}

function entryFor({ metadata: service, spec }: FullService, pod: FullPod, family: string): Entry[] {
  const { metadata, status } = pod;
  const address = (status?.podIPs ?? []).find(({ ip }) => tryParseAddress(ip)?.family === (family === "IPv4" ? 4 : 6))?.ip;
  if (address === undefined) return [];
  const terminating = metadata.deletionTimestamp !== undefined;
  const serving = isReady(pod);
  const ports = (spec?.ports ?? []).flatMap(({ name = "", protocol = "TCP", port, targetPort = port }): SlicePort[] => {
    const number = typeof targetPort === "number" ? targetPort : namedPort(pod, targetPort, protocol);
    return number === undefined ? [] : [{ name, protocol, port: number }];
  });
  const { name = "", namespace = "", uid = "" } = metadata;
  const endpoint = {
    addresses: [address],
    conditions: { ready: (serving && !terminating) || spec?.publishNotReadyAddresses === true, serving, terminating },
    ...(pod.spec.nodeName === undefined ? {} : { nodeName: pod.spec.nodeName }),
    // What a pod calls itself below the Service that its subdomain names.
    ...(pod.spec.hostname === undefined || pod.spec.subdomain !== service.name ? {} : { hostname: pod.spec.hostname }),
    targetRef: { kind: "Pod", namespace, name, uid },
  };
  return [{ endpoint, ports }];
}

function namedPort({ spec }: FullPod, name: string, protocol: string): number | undefined {
  return spec.containers.flatMap(({ ports = [] }) => ports).find((port) => port.name === name && (port.protocol ?? "TCP") === protocol)
    ?.containerPort;
}

interface SliceContent {
  readonly family: string;
  readonly identity: string;
  readonly ports: readonly SlicePort[];
  readonly endpoints: readonly SliceEndpoint[];
}

function sliceFrom(service: FullService, { family, identity, ports, endpoints }: SliceContent): EndpointSlice {
  const { name = "", namespace = "", uid, labels } = service.metadata;
  // A name that follows from what the slice is for: making it twice is an error of the second, not a second slice.
  const suffix = createHash("sha256").update(`${uid}/${family}/${identity}`).digest("hex").slice(0, 8);
  const headless = service.spec?.clusterIP === "None" ? { "service.kubernetes.io/headless": "" } : {};
  return {
    metadata: {
      name: `${name}-${suffix}`,
      namespace,
      labels: { ...labels, ...headless, [serviceName]: name, [managedBy]: manager },
      ownerReferences: [controllerReference(services as Resource<FullService>, service)],
    },
    addressType: family === "IPv6" ? "IPv6" : "IPv4",
    endpoints,
    ports,
  };
}
