import type { KubeObject } from "#lib/kube/types.ts";
import type { Lookup } from "../resource.ts";

/** The Service that an APIService names. */
export interface ServiceReference {
  readonly namespace: string;
  readonly name: string;
  /** Default 443. */
  readonly port?: number;
}

export interface Address {
  readonly host: string;
  readonly port: number;
}

/** Where a Service is answered, or why nowhere. */
export type Resolution = { readonly address: Address } | { readonly reason: string; readonly message: string };

interface Service extends KubeObject {
  readonly spec?: { readonly ports?: readonly { readonly name?: string; readonly port: number }[] };
}

interface EndpointSlice extends KubeObject {
  readonly endpoints?: readonly { readonly addresses: readonly string[]; readonly conditions?: { readonly ready?: boolean } }[];
  readonly ports?: readonly { readonly name?: string; readonly port?: number }[];
}

/** A ready endpoint of the Service, from its EndpointSlices: this server need not be able to reach cluster addresses. */
export function endpointOf(lookup: Lookup, { namespace, name, port = 443 }: ServiceReference): Resolution {
  const service = lookup.get({ group: "", resource: "services" }, { namespace, name }) as Service | undefined;
  if (service === undefined) return { reason: "ServiceNotFound", message: `service/${name} in "${namespace}" is not present` };
  const servicePort = service.spec?.ports?.find((one) => one.port === port);
  if (servicePort === undefined)
    return { reason: "ServicePortError", message: `service/${name} in "${namespace}" is not listening on port ${port}` };
  for (const object of lookup.list({ group: "discovery.k8s.io", resource: "endpointslices" }, namespace)) {
    const slice = object as EndpointSlice;
    if (slice.metadata.labels?.["kubernetes.io/service-name"] !== name) continue;
    const target = slice.ports?.find((one) => (one.name ?? "") === (servicePort.name ?? ""))?.port;
    const ready = slice.endpoints?.find(({ conditions }) => conditions?.ready !== false)?.addresses[0];
    if (target !== undefined && ready !== undefined) return { address: { host: ready, port: target } };
  }
  return { reason: "MissingEndpoints", message: `endpoints for service/${name} in "${namespace}" have no addresses` };
}
