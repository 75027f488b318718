import { type FieldError, invalid, required } from "#lib/apiserver/field-error.ts";
import { int32, list, part, string, use } from "#lib/apiserver/openapi/build.ts";
import { ageColumn, nameColumn } from "#lib/apiserver/printing/columns.ts";
import { tryParseAddress } from "#lib/ip/address.ts";
import type { Resource } from "#lib/kube/resource.ts";
import type { KubeObject } from "#lib/kube/types.ts";
import { kind } from "./kind.ts";
import { objectReference } from "./references.ts";

export interface EndpointAddress {
  readonly ip: string;
  readonly hostname?: string;
  readonly nodeName?: string;
  readonly targetRef?: { readonly kind?: string; readonly name?: string; readonly namespace?: string; readonly uid?: string };
}

export interface EndpointPort {
  name?: string;
  protocol?: string;
  readonly port: number;
}

export interface EndpointSubset {
  readonly addresses?: readonly EndpointAddress[];
  readonly notReadyAddresses?: readonly EndpointAddress[];
  readonly ports?: readonly EndpointPort[];
}

/** `core/v1`: what EndpointSlices replaced, of one family only; older clients and tools read it. */
export interface Endpoints extends KubeObject {
  readonly subsets?: readonly EndpointSubset[];
}

export const endpoints: Resource<Endpoints> = { group: "", version: "v1", plural: "endpoints", kind: "Endpoints", namespaced: true };

const core = "io.k8s.api.core.v1";

const address = part(
  `${core}.EndpointAddress`,
  "One backend.",
  {
    ip: string("Its address."),
    hostname: string("Its host name."),
    nodeName: string("Its node."),
    targetRef: use(objectReference, "The pod behind it."),
  },
  ["ip"],
);

const port = part(
  `${core}.EndpointPort`,
  "A port of every backend of the subset.",
  {
    name: string("Name of the service's port."),
    port: int32("Number of the port."),
    protocol: string("TCP, UDP or SCTP.", { default: "TCP" }),
    appProtocol: string("Protocol on top."),
  },
  ["port"],
);

const subset = part(`${core}.EndpointSubset`, "Backends with the same ports.", {
  addresses: list(address, "Those that take traffic."),
  notReadyAddresses: list(address, "Those that do not yet."),
  ports: list(port, "Their ports."),
});

export const endpointsDefinition = kind<Endpoints>({
  resource: endpoints,
  package: core,
  description: "Backends of a service, of its first address family.",
  shortNames: ["ep"],
  fields: { subsets: list(subset, "The backends, by their ports.") },
  columns: [nameColumn, { name: "Endpoints", type: "string", description: "Addresses of backends.", value: addressesText }, ageColumn],
  defaults({ subsets }) {
    for (const { ports } of subsets ?? []) for (const one of ports ?? []) one.protocol ??= "TCP";
  },
  validate: ({ subsets }) => (subsets ?? []).flatMap(checkSubset),
});

function checkSubset({ addresses = [], notReadyAddresses = [], ports = [] }: EndpointSubset, index: number): FieldError[] {
  const path = `subsets[${index}]`;
  const lists = Object.entries({ addresses, notReadyAddresses });
  const wrong = lists.flatMap(([name, all]) =>
    all.flatMap(({ ip }, place) =>
      tryParseAddress(ip) === undefined ? [invalid(`${path}.${name}[${place}].ip`, ip, "must be a valid IP address")] : [],
    ),
  );
  const wrongPorts = ports.flatMap(({ port: number }, place) =>
    number >= 1 && number <= 65_535 ? [] : [invalid(`${path}.ports[${place}].port`, number, "must be between 1 and 65535, inclusive")],
  );
  if (addresses.length + notReadyAddresses.length > 0) return [...wrong, ...wrongPorts];
  return [...wrongPorts, required(path, "must specify `addresses` or `notReadyAddresses`")];
}

/** As many entries as fit a line; the rest is counted. */
const shownEntries = 3;

function addressesText({ subsets }: Endpoints): string {
  const all = (subsets ?? []).flatMap(({ addresses = [], ports = [] }) =>
    ports.length === 0
      ? addresses.map(({ ip }) => ip)
      : ports.flatMap(({ port: number }) => addresses.map(({ ip }) => `${ip.includes(":") ? `[${ip}]` : ip}:${number}`)),
  );
  if (all.length === 0) return "<none>";
  const more = all.length - shownEntries;
  return all.slice(0, shownEntries).join(",") + (more > 0 ? ` + ${more} more...` : "");
}
