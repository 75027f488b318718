import { createHash } from "node:crypto";
import { isAlreadyExists, isNotFound } from "#lib/kube/errors.ts";
import { type EndpointSlice, endpointSlices } from "#lib/kube/kinds.ts";
import { keyOf } from "#lib/kube/resource.ts";
import { createWorkqueue } from "#lib/kube/workqueue.ts";
import { tryParseAddress } from "#lib/ip/address.ts";
import { type EndpointAddress, type Endpoints, type EndpointSubset, endpoints } from "../kinds/endpoints.ts";
import type { FullPod } from "../kinds/pod/types.ts";
import { same } from "../kinds/rules.ts";
import type { FullService } from "../kinds/service/types.ts";
import type { ControllerContext } from "./cluster.ts";
import { slicesFor } from "./endpoint-slice.ts";
import { controllerReference } from "./owners.ts";

const managedBy = "endpoints.kubernetes.io/managed-by";
const manager = "endpoint-controller";
const slicedBy = "endpointslice.kubernetes.io/managed-by";
const mirror = "endpointslicemirroring-controller.k8s.io";
/** Endpoints that are not to be mirrored, and a leader's record, which is none, have these. */
const skipMirror = "endpointslice.kubernetes.io/skip-mirror";
const leaderRecord = "control-plane.alpha.kubernetes.io/leader";

/**
 * Keeps the Endpoints of each Service that has a selector, and EndpointSlices for the Endpoints that somebody wrote for a Service without one: so that who
 * reads the one kind sees what is written as the other.
 */
export function runEndpoints(context: ControllerContext): void {
  const { runtime, client, signal, cluster } = context;
  const ignoring = async (expected: (error: unknown) => boolean, write: Promise<unknown>): Promise<void> => {
    await write.catch((error: unknown) => {
      if (!expected(error)) throw error;
    });
  };

  const work = async (key: string): Promise<void> => {
    const service = cluster.services.get(key);
    const present = cluster.endpoints.get(key);
    if (service !== undefined && service.metadata.deletionTimestamp === undefined && hasSelector(service)) await keep(service, present);
    else if (present?.metadata.labels?.[managedBy] === manager) {
      const { namespace, name = "" } = present.metadata;
      await ignoring(isNotFound, client.delete(endpoints, { namespace, name }));
    }
    await keepMirrors(key, service, present);
  };

  const keep = async (service: FullService, present: Endpoints | undefined): Promise<void> => {
    const wanted = endpointsFor(service, cluster.pods.by("namespace", service.metadata.namespace ?? ""));
    if (present === undefined) await ignoring(isAlreadyExists, client.create(endpoints, wanted));
    else if (!same(content(present), content(wanted)))
      await client.update(endpoints, { ...wanted, metadata: { ...present.metadata, labels: wanted.metadata.labels ?? {} } });
  };

  const keepMirrors = async (key: string, service: FullService | undefined, source: Endpoints | undefined): Promise<void> => {
    const present = cluster.endpointSlices.by("service", key).filter(({ metadata }) => metadata.labels?.[slicedBy] === mirror);
    const isMirrored = service !== undefined && !hasSelector(service) && source !== undefined && mayBeMirrored(source);
    const wanted = isMirrored ? mirrorsOf(source) : [];
    for (const slice of wanted) {
      const before = cluster.endpointSlices.get(keyOf(slice));
      if (before === undefined) await ignoring(isAlreadyExists, client.create(endpointSlices, slice));
      else if (!same([before.endpoints, before.ports], [slice.endpoints, slice.ports]))
        await client.update(endpointSlices, { ...slice, metadata: { ...before.metadata, labels: slice.metadata.labels ?? {} } });
    }
    const names = new Set(wanted.map(({ metadata }) => metadata.name));
    for (const { metadata } of present) {
      const { namespace, name = "" } = metadata;
      if (!names.has(name)) await ignoring(isNotFound, client.delete(endpointSlices, { namespace, name }));
    }
  };

  const queue = createWorkqueue({ runtime, name: "endpoints", work, signal });
  cluster.services.subscribe(({ key }) => queue.add(key), { replay: true });
  cluster.endpoints.subscribe(({ key }) => queue.add(key), { replay: true });
  // The slices of a Service follow its pods; their change is the news that its Endpoints changed too.
  cluster.endpointSlices.subscribe(({ before, after }) => {
    const { namespace, labels } = (after ?? before)?.metadata ?? {};
    const name = labels?.["kubernetes.io/service-name"];
    if (name !== undefined) queue.add(`${namespace}/${name}`);
  });
}

const hasSelector = ({ spec }: FullService): boolean => spec?.type !== "ExternalName" && Object.keys(spec?.selector ?? {}).length > 0;

const mayBeMirrored = ({ metadata }: Endpoints): boolean =>
  metadata.labels?.[skipMirror] !== "true" && metadata.annotations?.[leaderRecord] === undefined;

const content = ({ metadata, subsets }: Endpoints): unknown => ({ labels: metadata.labels ?? {}, subsets: subsets ?? [] });

/** The Endpoints that a Service with a selector shall have: its first family's, by their ports. */
export function endpointsFor(service: FullService, pods: readonly FullPod[]): Endpoints {
  const { name = "", namespace = "", labels } = service.metadata;
  const [family] = service.spec?.ipFamilies ?? [];
  const slices = slicesFor(service, pods).filter(({ addressType }) => addressType === family);
  const subsets = slices.flatMap((slice): EndpointSubset[] => {
    const entries = (slice.endpoints ?? []).filter(({ conditions }) => conditions?.ready === true || conditions?.terminating !== true);
    const of = (ready: boolean): EndpointAddress[] =>
      entries
        .filter(({ conditions }) => (conditions?.ready === true) === ready)
        .map(({ addresses: [ip = ""], hostname, nodeName, targetRef }) => ({
          ip,
          ...(hostname === undefined ? {} : { hostname }),
          ...(nodeName === undefined ? {} : { nodeName }),
          ...(targetRef === undefined ? {} : { targetRef }),
        }));
    const ports = (slice.ports ?? []).flatMap(({ name: portName, protocol = "TCP", port }) =>
      port === undefined ? [] : [{ ...(portName === undefined || portName === "" ? {} : { name: portName }), protocol, port }],
    );
    const [addresses, notReadyAddresses] = [of(true), of(false)];
    if (addresses.length + notReadyAddresses.length === 0) return [];
    return [
      {
        ...(addresses.length === 0 ? {} : { addresses }),
        ...(notReadyAddresses.length === 0 ? {} : { notReadyAddresses }),
        ...(ports.length === 0 ? {} : { ports }),
      },
    ];
  });
  const headless = service.spec?.clusterIP === "None" ? { "service.kubernetes.io/headless": "" } : {};
  return { metadata: { name, namespace, labels: { ...labels, ...headless, [managedBy]: manager } }, subsets };
}

/** Slices with what somebody wrote as Endpoints: one per subset and family. */
export function mirrorsOf(source: Endpoints): EndpointSlice[] {
  const { name = "", namespace = "", uid, labels } = source.metadata;
  return (source.subsets ?? []).flatMap((subset, index) =>
    (["IPv4", "IPv6"] as const).flatMap((addressType): EndpointSlice[] => {
      const family = addressType === "IPv4" ? 4 : 6;
      const of = (addresses: readonly EndpointAddress[] = [], ready: boolean) =>
        addresses
          .filter(({ ip }) => tryParseAddress(ip)?.family === family)
          .map(({ ip, hostname, nodeName, targetRef }) => ({
            addresses: [ip],
            conditions: { ready },
            ...(hostname === undefined ? {} : { hostname }),
            ...(nodeName === undefined ? {} : { nodeName }),
            ...(targetRef === undefined ? {} : { targetRef }),
          }));
      const entries = [...of(subset.addresses, true), ...of(subset.notReadyAddresses, false)];
      if (entries.length === 0) return [];
      const suffix = createHash("sha256").update(`${uid}/${addressType}/${index}`).digest("hex").slice(0, 8);
      return [
        {
          metadata: {
            name: `${name}-${suffix}`,
            namespace,
            labels: { ...labels, "kubernetes.io/service-name": name, [slicedBy]: mirror },
            ownerReferences: [controllerReference(endpoints, source)],
          },
          addressType,
          endpoints: entries,
          ports: (subset.ports ?? []).map(({ name: portName = "", protocol = "TCP", port }) => ({ name: portName, protocol, port })),
        },
      ];
    }),
  );
}
