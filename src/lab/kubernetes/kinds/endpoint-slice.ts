import { boolean, int32, list, map, part, string, use } from "#lib/apiserver/openapi/build.ts";
import { type FieldError, invalid, notSupported, required } from "#lib/apiserver/field-error.ts";
import { ageColumn, nameColumn } from "#lib/apiserver/printing/columns.ts";
import { tryParseAddress } from "#lib/ip/address.ts";
import { type EndpointSlice, endpointSlices } from "#lib/kube/kinds.ts";
import { kind } from "./kind.ts";
import { objectReference } from "./references.ts";
import { checkUnchanged } from "./rules.ts";

const discovery = "io.k8s.api.discovery.v1";
/** As many as a Kubernetes API server takes. */
const maximumEndpoints = 1_000;

const endpoint = part(
  `${discovery}.Endpoint`,
  "One backend of the service.",
  {
    addresses: list(string("An address."), "Addresses of the backend; clients use the first."),
    conditions: part(`${discovery}.EndpointConditions`, "State of the backend.", {
      ready: boolean("Takes traffic."),
      serving: boolean("Ready, whether it is being deleted or not."),
      terminating: boolean("Is being deleted."),
    }),
    hostname: string("Host name of the backend."),
    targetRef: use(objectReference, "The pod behind it."),
    nodeName: string("Node of the backend."),
    zone: string("Zone of the backend."),
    deprecatedTopology: map(string("A value."), "No longer used."),
    hints: part(`${discovery}.EndpointHints`, "Who should use it.", {
      forZones: list(part(`${discovery}.ForZone`, "A zone.", { name: string("Its name.") }, ["name"]), "Zones that should use it."),
      forNodes: list(part(`${discovery}.ForNode`, "A node.", { name: string("Its name.") }, ["name"]), "Nodes that should use it."),
    }),
  },
  ["addresses"],
);

const port = part(`${discovery}.EndpointPort`, "A port of every backend of the slice.", {
  // An empty name is not the same as none: agents of Go leave a port without one out.
  name: string("Name of the service's port.", { default: "" }),
  protocol: string("TCP, UDP or SCTP.", { default: "TCP" }),
  port: int32("Number of the port."),
  appProtocol: string("Protocol on top."),
});

const addressTypes = ["FQDN", "IPv4", "IPv6"];

export const endpointSliceDefinition = kind<EndpointSlice>({
  resource: endpointSlices,
  package: discovery,
  description: "Backends of a service, of one address family.",
  fields: {
    addressType: string("IPv4, IPv6 or FQDN. Cannot change."),
    endpoints: list(endpoint, "The backends."),
    ports: list(port, "Ports of all of them."),
  },
  required: ["addressType", "endpoints"],
  generation: true,
  columns: [
    nameColumn,
    { name: "AddressType", type: "string", description: "Family of the addresses.", value: ({ addressType }) => addressType },
    { name: "Ports", type: "string", description: "Ports of all backends.", value: portsText },
    { name: "Endpoints", type: "string", description: "Addresses of backends.", value: endpointsText },
    ageColumn,
  ],
  defaults(slice) {
    for (const one of slice.ports ?? []) one.protocol ??= "TCP";
  },
  validate: (slice, _context, old) => [
    ...checkSlice(slice),
    ...(old ? checkUnchanged("addressType", slice.addressType, old.addressType) : []),
  ],
});

function checkSlice({ addressType, ...slice }: EndpointSlice): FieldError[] {
  const [endpoints, ports] = [slice.endpoints ?? [], slice.ports ?? []];
  if (!addressTypes.includes(addressType)) return [notSupported("addressType", addressType, addressTypes)];
  if (endpoints.length > maximumEndpoints) return [invalid("endpoints", endpoints.length, `must have at most ${maximumEndpoints} items`)];
  const family = addressType === "IPv4" ? 4 : 6;
  return [
    ...endpoints.flatMap(({ addresses = [] }, index) => {
      if (addresses.length === 0) return [required(`endpoints[${index}].addresses`, "must contain at least 1 address")];
      return addresses.flatMap((address, place) =>
        addressType === "FQDN" || tryParseAddress(address)?.family === family
          ? []
          : [invalid(`endpoints[${index}].addresses[${place}]`, address, `must be a valid ${addressType} address`)],
      );
    }),
    ...ports.flatMap(({ port: number }, index) =>
      number === undefined || (number >= 1 && number <= 65_535)
        ? []
        : [invalid(`ports[${index}].port`, number, "must be between 1 and 65535, inclusive")],
    ),
  ];
}

/** As many entries as fit a line; the rest is counted. */
const shownEntries = 3;

function shorten(entries: readonly string[]): string {
  if (entries.length === 0) return "<unset>";
  const more = entries.length - shownEntries;
  return entries.slice(0, shownEntries).join(",") + (more > 0 ? ` + ${more} more...` : "");
}

function portsText({ ports }: EndpointSlice): string {
  return shorten((ports ?? []).map(({ port: number }) => (number === undefined ? "*" : String(number))));
}

function endpointsText({ endpoints }: EndpointSlice): string {
  return shorten((endpoints ?? []).flatMap(({ addresses }) => addresses));
}
