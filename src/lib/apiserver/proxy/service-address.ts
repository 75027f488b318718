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

/** Where a Service is answered, at least one place, or why nowhere. */
export type Resolution = { readonly addresses: readonly Address[] } | { readonly reason: string; readonly message: string };

interface Service extends KubeObject {
  readonly spec?: { readonly ports?: readonly { readonly name?: string; readonly port: number }[] };
}

interface EndpointSlice extends KubeObject {
  readonly endpoints?: readonly { readonly addresses: readonly string[]; readonly conditions?: { readonly ready?: boolean } }[];
  readonly ports?: readonly { readonly name?: string; readonly port?: number }[];
}

/** The ready endpoints of the Service, from its EndpointSlices: this server need not be able to reach cluster addresses. */
export function endpointsOf(lookup: Lookup, { namespace, name, port = 443 }: ServiceReference): Resolution {
  const service = lookup.get({ group: "", resource: "services" }, { namespace, name }) as Service | undefined;
  if (service === undefined) return { reason: "ServiceNotFound", message: `service/${name} in "${namespace}" is not present` };
  const servicePort = service.spec?.ports?.find((one) => one.port === port);
  if (servicePort === undefined)
    return { reason: "ServicePortError", message: `service/${name} in "${namespace}" is not listening on port ${port}` };
  const addresses: Address[] = [];
  for (const object of lookup.list({ group: "discovery.k8s.io", resource: "endpointslices" }, namespace)) {
    const slice = object as EndpointSlice;
    if (slice.metadata.labels?.["kubernetes.io/service-name"] !== name) continue;
    const target = slice.ports?.find((one) => (one.name ?? "") === (servicePort.name ?? ""))?.port;
    if (target === undefined) continue;
    for (const { addresses: own, conditions } of slice.endpoints ?? [])
      if (own[0] !== undefined && conditions?.ready !== false) addresses.push({ host: own[0], port: target });
  }
  if (addresses.length > 0) return { addresses };
  return { reason: "MissingEndpoints", message: `endpoints for service/${name} in "${namespace}" have no addresses` };
}
