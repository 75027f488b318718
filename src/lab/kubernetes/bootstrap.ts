import type { IpAddress } from "#lib/ip/address.ts";
import type { Prefix } from "#lib/ip/prefix.ts";
import type { KubeObject } from "#lib/kube/types.ts";
import { firstServiceAddress } from "./kinds/service/addresses.ts";

/** An object that a lab starts with, as `ensureObjects` of `lib/apiserver` takes it. */
interface StartObject {
  readonly resource: { readonly group: string; readonly resource: string };
  readonly object: KubeObject;
}

/**
 * The service `kubernetes`, its EndpointSlice and its Endpoints: the way of pods to the API server, which listens on `addresses` at `port`.
 * The service has the first address of the first service block; endpoints are those of the same family.
 */
export function apiServerService(options: {
  readonly serviceCidrs: readonly Prefix[];
  readonly addresses: readonly IpAddress[];
  readonly port: number;
}): StartObject[] {
  const { serviceCidrs, addresses, port } = options;
  const [first] = serviceCidrs;
  if (first === undefined) return [];
  const metadata = { name: "kubernetes", namespace: "default" };
  const clusterIP = firstServiceAddress(first).toString();
  const own = addresses.filter(({ family }) => family === first.family);
  const service = {
    metadata: { ...metadata, labels: { component: "apiserver", provider: "kubernetes" } },
    spec: { clusterIP, ports: [{ name: "https", port: 443, targetPort: port }] },
  };
  const slice = {
    metadata: { ...metadata, labels: { "kubernetes.io/service-name": "kubernetes" } },
    addressType: first.family === 4 ? "IPv4" : "IPv6",
    endpoints: own.map((address) => ({ addresses: [address.toString()], conditions: { ready: true } })),
    ports: [{ name: "https", port, protocol: "TCP" }],
  };
  const endpoints = {
    // The slice above is the API server's own; one made of this would say the same again.
    metadata: { ...metadata, labels: { "endpointslice.kubernetes.io/skip-mirror": "true" } },
    subsets: [{ addresses: own.map((address) => ({ ip: address.toString() })), ports: slice.ports }],
  };
  return [
    { resource: { group: "", resource: "services" }, object: service as KubeObject },
    { resource: { group: "discovery.k8s.io", resource: "endpointslices" }, object: slice as KubeObject },
    { resource: { group: "", resource: "endpoints" }, object: endpoints as KubeObject },
  ];
}
