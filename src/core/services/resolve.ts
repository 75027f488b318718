import { type IpAddress, tryParseAddress } from "#lib/ip/index.ts";
import type { EndpointSlice, Service, ServicePort, SliceEndpoint } from "#lib/kube/index.ts";
import { type Endpoint, endpointKey, type Frontend, type ServiceProtocol } from "./frontend.ts";

/** Names the proxy that a Service is for. */
const proxyNameLabel = "service.kubernetes.io/service-proxy-name";
/** Endpoints of one frontend that are used; a Service with more says so in {@link ResolvedService.problems}. As antrea (Go) has it. */
export const endpointLimit = 800;
/** Kubernetes' default for ClientIP affinity, 3 h. */
const defaultAffinitySeconds = 10_800;

/** Which Services are served, and for whom. */
export interface ServiceChoice {
  /** This node's name, for Services that keep their traffic on it. */
  readonly node: string;
  /** Services whose proxy name is this one; absent or empty: those without a proxy name. */
  readonly proxyName?: string;
  /** `namespace/name` or ClusterIPs of Services that are left alone. */
  readonly skip?: readonly string[];
}

/** A Service as the switch serves it. */
export interface ResolvedService {
  readonly frontends: readonly Frontend[];
  /** What of the Service is not served as it asks, in words. */
  readonly problems: readonly string[];
}

/**
 * The frontends of a Service by its ClusterIPs, with endpoints from its slices. A port takes those that slices list under its name and protocol:
 * the ready ones, else those that still serve while they end. Addresses and ports that are none are left out.
 */
export function resolveService(service: Service, slices: readonly EndpointSlice[], choice: ServiceChoice): ResolvedService {
  const { spec, metadata } = service;
  if (spec === undefined || spec.type === "ExternalName" || !isChosen(service, choice)) return nothing;
  const addresses = (spec.clusterIPs ?? [spec.clusterIP ?? ""]).flatMap((text) => tryParseAddress(text) ?? []);
  const problems = unsupported(service);
  const localOnly = spec.internalTrafficPolicy === "Local";
  const frontends = addresses.flatMap((address) =>
    (spec.ports ?? []).flatMap((port): Frontend[] => {
      const protocol = protocolOf(port.protocol);
      if (protocol === undefined || !isPort(port.port)) return [];
      const all = endpointsOf(slices, { address, port, protocol });
      const chosen = choose(localOnly ? all.filter(({ nodeName }) => nodeName === choice.node) : all);
      if (chosen.length > endpointLimit)
        problems.push(`port ${port.name ?? port.port} has ${chosen.length} endpoints; the first ${endpointLimit} are used`);
      return [
        {
          portName: `${metadata.namespace}/${metadata.name}:${port.name ?? ""}`,
          address,
          protocol,
          port: port.port,
          endpoints: chosen.slice(0, endpointLimit),
          ...(spec.sessionAffinity === "ClientIP"
            ? { affinitySeconds: spec.sessionAffinityConfig?.clientIP?.timeoutSeconds ?? defaultAffinitySeconds }
            : {}),
          whenEmpty: localOnly && choose(all).length > 0 ? "drop" : "reject",
        },
      ];
    }),
  );
  return { frontends, problems };
}

const nothing: ResolvedService = { frontends: [], problems: [] };

function isChosen({ metadata, spec }: Service, { proxyName = "", skip = [] }: ServiceChoice): boolean {
  const named = metadata.labels?.[proxyNameLabel];
  if (proxyName === "" ? named !== undefined : named !== proxyName) return false;
  const names = [`${metadata.namespace}/${metadata.name}`, spec?.clusterIP, ...(spec?.clusterIPs ?? [])];
  return !names.some((name) => name !== undefined && skip.includes(name));
}

interface Candidate extends Endpoint {
  readonly state: "ready" | "serving" | "no";
  readonly nodeName: string | undefined;
}

function endpointsOf(
  slices: readonly EndpointSlice[],
  { address, port, protocol }: { readonly address: IpAddress; readonly port: ServicePort; readonly protocol: ServiceProtocol },
): Candidate[] {
  const found = new Map<string, Candidate>();
  for (const slice of slices) {
    if (slice.addressType !== `IPv${address.family}`) continue;
    for (const listed of slice.ports ?? []) {
      if ((listed.name ?? "") !== (port.name ?? "") || protocolOf(listed.protocol) !== protocol) continue;
      if (listed.port === undefined || !isPort(listed.port)) continue;
      for (const { addresses, conditions, nodeName } of slice.endpoints ?? []) {
        // All addresses of an entry are one endpoint's; the first stands for it (discovery.k8s.io/v1).
        const own = tryParseAddress(addresses[0] ?? "");
        if (own?.family !== address.family) continue;
        const candidate = { address: own, port: listed.port, state: stateOf(conditions), nodeName };
        const known = found.get(endpointKey(candidate));
        // An endpoint may be in two slices while it moves from one to the other.
        if (known === undefined || order[candidate.state] < order[known.state]) found.set(endpointKey(candidate), candidate);
      }
    }
  }
  return [...found.entries()].sort(([one], [other]) => (one < other ? -1 : 1)).map(([, candidate]) => candidate);
}

const order = { ready: 0, serving: 1, no: 2 } as const;

/** Absent conditions count as the API says: ready is true, serving is as ready, terminating is false. */
function stateOf(conditions: SliceEndpoint["conditions"]): Candidate["state"] {
  const ready = conditions?.ready ?? true;
  if (ready) return "ready";
  return (conditions?.serving ?? ready) && conditions?.terminating === true ? "serving" : "no";
}

function choose(candidates: readonly Candidate[]): Endpoint[] {
  const ready = candidates.filter(({ state }) => state === "ready");
  const used = ready.length > 0 ? ready : candidates.filter(({ state }) => state === "serving");
  return used.map(({ address, port }) => ({ address, port }));
}

function unsupported({ spec }: Service): string[] {
  return [
    ...(spec?.type === "NodePort" || spec?.type === "LoadBalancer" ? [`type ${spec.type}: only its ClusterIPs are served`] : []),
    ...(spec?.externalIPs?.length ? ["externalIPs are not served"] : []),
    ...(spec?.trafficDistribution === undefined ? [] : [`trafficDistribution ${spec.trafficDistribution} is not followed`]),
  ];
}

const protocolOf = (text = "TCP"): ServiceProtocol | undefined => (text === "TCP" || text === "UDP" || text === "SCTP" ? text : undefined);

const isPort = (port: number): boolean => Number.isInteger(port) && port > 0 && port <= 65_535;
