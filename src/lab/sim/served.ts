import { type IpAddress, parseAddress } from "#lib/ip/index.ts";
import { type EndpointSlice, nameOfKey, type Pod, type Service, type SliceEndpoint } from "#lib/kube/index.ts";
import { createChoices } from "./choices.ts";
import type { WorldChange, WorldHistory } from "./history.ts";
import { count, mixtures } from "./verdicts.ts";

/** One endpoint that may be picked for a packet to a Service. */
export interface PossibleEndpoint {
  readonly address: IpAddress;
  readonly port: number;
  /** Undefined when the pod that the slice means is gone, or has another address now. */
  readonly pod: Pod | undefined;
}

export interface PossibleService {
  /** By address and port. */
  readonly endpoints: ReadonlyMap<string, PossibleEndpoint>;
  /** A node may know nobody who serves it. */
  readonly unserved: boolean;
}

/** More states of a Service's slices than this are not looked at. */
const mostStates = 512;

export const endpointName = (address: IpAddress, port: number): string => `${address} ${port}`;

/** Who may be picked for a packet to that address and port (UDP) of a Service, by all that a node may know of it. Undefined when that is too much to look at. */
export function possibleEndpoints(options: {
  readonly history: WorldHistory;
  readonly changes: readonly WorldChange[];
  /** `namespace/name` */
  readonly service: string;
  readonly address: IpAddress;
  readonly port: number;
}): PossibleService | undefined {
  const { history, changes, service, address, port } = options;
  const { statesOf, keysOf } = createChoices({ history, changes });
  const { namespace, name } = nameOfKey(service);
  const isOfService = (slice: EndpointSlice | undefined): boolean => slice?.metadata.labels?.["kubernetes.io/service-name"] === name;
  const slices = keysOf("EndpointSlice")
    .filter((key) => nameOfKey(key).namespace === namespace)
    .map((key) => statesOf("EndpointSlice", key))
    .filter((states) => states.some(isOfService));
  const services = statesOf("Service", service);
  if (services.length * count(slices) > mostStates) return undefined;
  const endpoints = new Map<string, PossibleEndpoint>();
  let unserved = false;
  for (const state of services) {
    const asked = portOf(state, address, port);
    if (asked === undefined) {
      unserved = true;
      continue;
    }
    for (const chosen of mixtures(slices)) {
      const all = chosen.flatMap((slice) =>
        slice !== undefined && isOfService(slice) ? listed(slice, asked.name ?? "", address.family) : [],
      );
      const ready = all.filter(({ endpoint: { conditions } }) => conditions?.ready !== false);
      const picked = ready.length > 0 ? ready : all.filter(({ endpoint: { conditions } }) => conditions?.serving === true);
      unserved ||= picked.length === 0;
      for (const { endpoint, port: number } of picked)
        for (const text of endpoint.addresses) {
          const own = parseAddress(text);
          endpoints.set(endpointName(own, number), { address: own, port: number, pod: podOf(history, endpoint, text) });
        }
    }
  }
  return { endpoints, unserved };
}

const portOf = (service: Service | undefined, address: IpAddress, port: number) =>
  (service?.spec?.clusterIPs ?? []).some((text) => parseAddress(text).equals(address))
    ? service?.spec?.ports?.find((each) => each.port === port && each.protocol === "UDP")
    : undefined;

function listed({ addressType, endpoints, ports }: EndpointSlice, name: string, family: 4 | 6) {
  const port = ports?.find((each) => (each.name ?? "") === name && each.protocol === "UDP")?.port;
  if (addressType !== `IPv${family}` || port === undefined) return [];
  return (endpoints ?? []).map((endpoint) => ({ endpoint, port }));
}

function podOf({ pods }: WorldHistory, { targetRef }: SliceEndpoint, address: string): Pod | undefined {
  const pod = pods.get(`${targetRef?.namespace}/${targetRef?.name}`);
  const isIt = pod?.metadata.uid === targetRef?.uid && (pod?.status?.podIPs ?? []).some(({ ip }) => ip === address);
  return isIt ? pod : undefined;
}
