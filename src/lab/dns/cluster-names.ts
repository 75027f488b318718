import { type IpAddress, tryParseAddress } from "#lib/ip/index.ts";
import type { EndpointSlice, KubeObject, Service, SliceEndpoint } from "#lib/kube/index.ts";
import type { ReadTable } from "#lib/table/table.ts";
import type { Lookup, RecordData, Records } from "./records.ts";

/** What names are made of. Keys as everywhere; {@link serviceIndexes} and {@link sliceIndexes} are how names and addresses are found. */
export interface ClusterRows {
  readonly namespaces: Pick<ReadTable<KubeObject>, "get">;
  readonly services: Pick<ReadTable<Service>, "get" | "by">;
  readonly slices: Pick<ReadTable<EndpointSlice>, "by">;
}

const serviceLabel = "kubernetes.io/service-name";

export const serviceIndexes = { address: (service: Service): readonly string[] => addressesOf(service).map(String) };

export const sliceIndexes = {
  service: ({ metadata }: EndpointSlice): readonly string[] => [`${metadata.namespace}/${metadata.labels?.[serviceLabel]}`],
  address: (slice: EndpointSlice): readonly string[] =>
    endpointsOf(slice).flatMap(({ addresses }) => addresses.flatMap((text) => tryParseAddress(text)?.toString() ?? [])),
};

/** The version of the specification "Kubernetes DNS-Based Service Discovery" that these names follow. */
const schemaVersion = "1.1.0";

/** Weight of SRV records: endpoints of one Service share it alike. */
const weight = 100;

/** Names of Services, of their endpoints and ports, and of pods by address, in the domain `domain`; addresses in the reverse trees. */
export function clusterNames({ namespaces, services, slices }: ClusterRows, domain: string): Lookup {
  const suffix = domain.split(".");
  const serviceName = ({ metadata }: KubeObject): string => `${metadata.name}.${metadata.namespace}.svc.${domain}`;
  const slicesOf = (key: string): readonly EndpointSlice[] => slices.by("service", key);

  const ofService = (service: Service, key: string, rest: readonly string[]): Records | undefined => {
    const name = serviceName(service);
    if (service.spec?.type === "ExternalName") return rest.length === 0 ? aliasTo(service.spec.externalName) : undefined;
    const own = addressesOf(service);
    const headless = own.length === 0;
    const endpoints = headless ? slicesOf(key).flatMap(servedEndpoints) : [];
    if (rest.length === 0) return headless ? endpoints.map(({ address }) => ({ type: "address", address })) : own.map(addressRecord);
    const [first = "", second] = rest;
    if (rest.length === 1) {
      // `_tcp.web…` is there when a port of that protocol is: names hang below it.
      if (first.startsWith("_")) return portsOf(service, first.slice(1)).length > 0 ? [] : undefined;
      const named = endpoints.filter(({ host }) => host === first);
      return named.length === 0 ? undefined : named.map(({ address }) => ({ type: "address", address }));
    }
    if (rest.length > 2 || !first.startsWith("_") || second === undefined) return undefined;
    const wanted = portsOf(service, second.slice(1)).filter(({ name: port }) => port === first.slice(1));
    if (!second.startsWith("_") || wanted.length === 0) return undefined;
    if (!headless) return wanted.map(({ port }) => ({ type: "service", port, weight, target: name }));
    const targets = new Map(
      slicesOf(key).flatMap((slice) =>
        (slice.ports ?? [])
          .filter((port) => port.name === first.slice(1) && (port.protocol ?? "TCP").toLowerCase() === second.slice(1))
          .flatMap(({ port = 0 }) => servedEndpoints(slice).map(({ host }) => [`${host} ${port}`, { host, port }] as const)),
      ),
    );
    return [...targets.values()].map(({ host, port }) => ({ type: "service", port, weight, target: `${host}.${name}` }));
  };

  const ofAddress = (address: IpAddress): Records | undefined => {
    const text = address.toString();
    const found: RecordData[] = services.by("address", text).map((service) => ({ type: "pointer", target: serviceName(service) }));
    for (const slice of slices.by("address", text)) {
      const service = services.get(`${slice.metadata.namespace}/${slice.metadata.labels?.[serviceLabel]}`);
      if (service === undefined || addressesOf(service).length > 0) continue;
      for (const endpoint of servedEndpoints(slice))
        if (endpoint.address.equals(address)) found.push({ type: "pointer", target: `${endpoint.host}.${serviceName(service)}` });
    }
    return found.length === 0 ? undefined : found;
  };

  return (name) => {
    const reversed = addressOfReverse(name);
    if (reversed !== undefined) return ofAddress(reversed);
    const labels = name.split(".");
    const inside = labels.slice(0, -suffix.length);
    if (labels.slice(-suffix.length).join(".") !== domain) return undefined;
    const kind = inside.at(-1);
    if (kind === undefined) return [];
    if (kind === "dns-version" && inside.length === 1) return [{ type: "text", text: schemaVersion }];
    if (kind !== "svc" && kind !== "pod") return undefined;
    if (inside.length === 1) return [];
    const namespace = inside.at(-2) ?? "";
    if (namespaces.get(namespace) === undefined) return undefined;
    if (inside.length === 2) return [];
    const third = inside.at(-3) ?? "";
    if (kind === "pod") {
      const address = inside.length === 3 ? addressOfDashes(third) : undefined;
      return address === undefined ? undefined : [addressRecord(address)];
    }
    const key = `${namespace}/${third}`;
    const service = services.get(key);
    return service === undefined ? undefined : ofService(service, key, inside.slice(0, -3));
  };
}

const addressRecord = (address: IpAddress): RecordData => ({ type: "address", address });

/** The Service's own addresses: none when it is headless or leads elsewhere. */
function addressesOf({ spec }: Service): readonly IpAddress[] {
  const texts = spec?.clusterIPs ?? (spec?.clusterIP === undefined ? [] : [spec.clusterIP]);
  return texts.flatMap((text) => tryParseAddress(text) ?? []);
}

const aliasTo = (name: string | undefined): Records => (name === undefined ? [] : [{ type: "alias", target: name.replace(/\.$/, "") }]);

const portsOf = ({ spec }: Service, protocol: string) =>
  (spec?.ports ?? []).filter((port) => (port.protocol ?? "TCP").toLowerCase() === protocol);

const endpointsOf = ({ endpoints }: EndpointSlice): readonly SliceEndpoint[] => endpoints ?? [];

/** Endpoints that clients may be told of, each with the name that it has below its Service. */
function servedEndpoints(slice: EndpointSlice): readonly { readonly address: IpAddress; readonly host: string }[] {
  return endpointsOf(slice)
    .filter(({ conditions }) => conditions?.ready !== false)
    .flatMap(({ addresses, hostname }) =>
      addresses.flatMap((text) => {
        const address = tryParseAddress(text);
        return address === undefined ? [] : [{ address, host: hostname ?? dashes(address) }];
      }),
    );
}

const dashes = (address: IpAddress): string => address.toString().replaceAll(/[.:]/g, "-");

/** `10-1-2-3` or `fd00--7`. */
function addressOfDashes(label: string): IpAddress | undefined {
  return tryParseAddress(label.replaceAll("-", ".")) ?? tryParseAddress(label.replaceAll("-", ":"));
}

/** The address that `3.2.1.10.in-addr.arpa`, or 32 digits below `ip6.arpa`, stands for. */
function addressOfReverse(name: string): IpAddress | undefined {
  if (name.endsWith(".in-addr.arpa")) return tryParseAddress(name.split(".").slice(0, -2).reverse().join("."));
  if (!name.endsWith(".ip6.arpa")) return undefined;
  const digits = name.split(".").slice(0, -2).reverse();
  if (digits.length !== 32 || digits.some((digit) => !/^[0-9a-f]$/.test(digit))) return undefined;
  return tryParseAddress(digits.join("").replaceAll(/(.{4})(?=.)/g, "$1:"));
}
