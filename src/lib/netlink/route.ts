import { type Family, IpAddress } from "#lib/ip/address.ts";
import { Prefix } from "#lib/ip/prefix.ts";
import { familyOf, socketFamily } from "./address.ts";
import { type Decoded, decodeAttributes, flag, type Message, MessageWriter, viewOf } from "./message.ts";

/** A route to `destination`; length 0 is the default route. */
export interface Route {
  readonly destination: Prefix;
  readonly gateway?: IpAddress;
  readonly linkIndex?: number;
  /** The source address that locally made packets get. */
  readonly source?: IpAddress;
  /** The gateway is reachable on the link whatever the routes say (RTNH_F_ONLINK). */
  readonly onLink?: boolean;
  readonly table: number;
  /** Who made it (rtm_protocol): how a program finds its own routes again. */
  readonly protocol: number;
  readonly scope: RouteScope;
  readonly type: RouteType;
  /** Smaller wins. IPv6 routes without one get 1024 from the kernel. */
  readonly metric?: number;
}

/** A route to make or delete: what is left out is table main, protocol boot, scope by whether there is a gateway, type unicast. */
export type RouteRequest = Pick<Route, "destination"> & Partial<Route>;

export const routeMessage = { new: 24, delete: 25, get: 26 } as const;
export const routeTable = { main: 254, local: 255 } as const;
/** Known makers of routes (`/etc/iproute2/rt_protos`). */
export const routeProtocol = { kernel: 2, boot: 3, static: 4, routerAdvertisement: 9 } as const;

const scopes = { universe: 0, site: 200, link: 253, host: 254, nowhere: 255 } as const;
export type RouteScope = keyof typeof scopes;
const types = {
  unspecified: 0,
  unicast: 1,
  local: 2,
  broadcast: 3,
  anycast: 4,
  multicast: 5,
  blackhole: 6,
  unreachable: 7,
  prohibit: 8,
} as const;
export type RouteType = keyof typeof types | "other";

const rta = { destination: 1, outputLink: 4, gateway: 5, metric: 6, source: 7, multipath: 9, table: 15 } as const;
const onLinkFlag = 4;
const structBytes = 12;

export interface RouteFilter {
  readonly family: Family;
  readonly table?: number;
  readonly protocol?: number;
}

export function encodeGetRoutes({ family, table, protocol }: RouteFilter): Uint8Array {
  const writer = new MessageWriter(routeMessage.get, flag.dump);
  routeStruct(writer, { family, table: table ?? 0, protocol: protocol ?? 0 });
  return table === undefined ? writer.result() : writer.attributeUint32(rta.table, table).result();
}

/** Makes the route, or replaces the one of the same destination, table and metric. */
export function encodeReplaceRoute(route: RouteRequest): Uint8Array {
  return routeRequest(new MessageWriter(routeMessage.new, flag.ack | flag.create | flag.replace), route);
}

/** Makes the route where there is none of the same destination, table and metric; else `EEXIST`. */
export function encodeAddRoute(route: RouteRequest): Uint8Array {
  return routeRequest(new MessageWriter(routeMessage.new, flag.ack | flag.create | flag.exclusive), route);
}

export function encodeDeleteRoute(route: RouteRequest): Uint8Array {
  return routeRequest(new MessageWriter(routeMessage.delete, flag.ack), route);
}

function routeRequest(writer: MessageWriter, route: RouteRequest): Uint8Array {
  const { destination, gateway, linkIndex, source, metric, table = routeTable.main } = route;
  const type = route.type === undefined || route.type === "other" ? "unicast" : route.type;
  routeStruct(writer, {
    family: destination.family,
    prefixLength: destination.length,
    table: table < 256 ? table : 0,
    protocol: route.protocol ?? routeProtocol.boot,
    scope: scopes[route.scope ?? (gateway === undefined && linkIndex !== undefined && destination.family === 4 ? "link" : "universe")],
    type: types[type],
    flags: route.onLink ? onLinkFlag : 0,
  });
  if (destination.length > 0) writer.attribute(rta.destination, destination.address.bytes());
  if (gateway !== undefined) writer.attribute(rta.gateway, gateway.bytes());
  if (linkIndex !== undefined) writer.attributeUint32(rta.outputLink, linkIndex);
  if (source !== undefined) writer.attribute(rta.source, source.bytes());
  if (metric !== undefined) writer.attributeUint32(rta.metric, metric);
  return writer.attributeUint32(rta.table, table).result();
}

/** `struct rtmsg`: family, lengths of destination and source, TOS, table, protocol, scope, type, flags. */
function routeStruct(
  writer: MessageWriter,
  route: {
    readonly family: Family;
    readonly table: number;
    readonly protocol: number;
    readonly prefixLength?: number;
    readonly scope?: number;
    readonly type?: number;
    readonly flags?: number;
  },
): void {
  writer
    .uint8(socketFamily(route.family))
    .uint8(route.prefixLength ?? 0)
    .uint8(0)
    .uint8(0);
  writer
    .uint8(route.table & 0xff)
    .uint8(route.protocol)
    .uint8(route.scope ?? 0)
    .uint8(route.type ?? 0);
  writer.uint32(route.flags ?? 0);
}

export function decodeRoute({ payload }: Message): Decoded<Route> {
  if (payload.length < structBytes) return { ok: false, reason: `route message of ${payload.length} bytes` };
  const decoded = decodeAttributes(payload.subarray(structBytes));
  if (!decoded.ok) return decoded;
  const attributes = decoded.value;
  const family = familyOf(payload[0] ?? 0);
  const prefixLength = payload[1] ?? 0;
  const width = family === 4 ? 4 : 16;
  if (family === undefined || prefixLength > width * 8)
    return { ok: false, reason: `route of family ${payload[0]} and length ${prefixLength}` };
  const address = (type: number): IpAddress | undefined => {
    const bytes = attributes.bytes(type);
    return bytes?.length === width ? IpAddress.fromBytes(bytes) : undefined;
  };
  const gateway = address(rta.gateway);
  const source = address(rta.source);
  const linkIndex = attributes.uint32(rta.outputLink);
  const metric = attributes.uint32(rta.metric);
  const onLink = (viewOf(payload).getUint32(8, true) & onLinkFlag) !== 0;
  return {
    ok: true,
    value: {
      destination: new Prefix(address(rta.destination) ?? new IpAddress(family, 0n), prefixLength),
      table: attributes.uint32(rta.table) ?? payload[4] ?? 0,
      protocol: payload[5] ?? 0,
      scope: nameOf(scopes, payload[6]) ?? "universe",
      type: nameOf(types, payload[7]) ?? "other",
      ...(gateway === undefined ? {} : { gateway }),
      ...(linkIndex === undefined ? {} : { linkIndex }),
      ...(source === undefined ? {} : { source }),
      ...(metric === undefined ? {} : { metric }),
      ...(onLink ? { onLink } : {}),
    },
  };
}

function nameOf<Name extends string>(numbers: Readonly<Record<Name, number>>, number: number | undefined): Name | undefined {
  return (Object.keys(numbers) as Name[]).find((name) => numbers[name] === number);
}
