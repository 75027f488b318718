import type { Reader, Writer } from "#lib/bytes/index.ts";
import { IpAddress, MacAddress } from "#lib/ip/index.ts";
import { UnencodablePacket } from "./errors.ts";
import type { Icmpv6Body, NeighborOption } from "./types.ts";

const messageNumber = {
  router_solicitation: 133,
  router_advertisement: 134,
  neighbor_solicitation: 135,
  neighbor_advertisement: 136,
} as const;
const optionNumber = { source_link_address: 1, target_link_address: 2, prefix: 3, mtu: 5 } as const;
const advertisementFlag = { router: 0x80000000, solicited: 0x40000000, override: 0x20000000 } as const;
const routerFlag = { managed: 0x80, other: 0x40 } as const;
const prefixFlag = { onLink: 0x80, autonomous: 0x40 } as const;

/** Writes a message with an empty checksum. */
export function writeIcmpv6(writer: Writer, body: Icmpv6Body): void {
  writer
    .uint8(body.type === "other" ? body.number : messageNumber[body.type])
    .uint8(body.type === "other" ? body.code : 0)
    .uint16(0);
  switch (body.type) {
    case "router_solicitation":
      writer.zeros(4);
      break;
    case "router_advertisement":
      writer
        .uint8(body.hopLimit)
        .uint8((body.managed ? routerFlag.managed : 0) | (body.other ? routerFlag.other : 0))
        .uint16(body.lifetime)
        .uint32(body.reachableTime)
        .uint32(body.retransmitTime);
      break;
    case "neighbor_solicitation":
      writer.zeros(4).bytes(body.target.bytes());
      break;
    case "neighbor_advertisement": {
      const { router, solicited, override } = body;
      const flags =
        (router ? advertisementFlag.router : 0) +
        (solicited ? advertisementFlag.solicited : 0) +
        (override ? advertisementFlag.override : 0);
      writer.uint32(flags).bytes(body.target.bytes());
      break;
    }
    case "other":
      writer.uint32(body.rest).bytes(body.payload);
      return;
  }
  for (const option of body.options) writeOption(writer, option);
}

/** Reads a message; undefined for a neighbor discovery message with code or options that make no sense. Throws OutOfBytes when it is cut short. */
export function readIcmpv6(reader: Reader): Icmpv6Body | undefined {
  const number = reader.uint8();
  const code = reader.uint8();
  reader.skip(2);
  if (number < messageNumber.router_solicitation || number > messageNumber.neighbor_advertisement)
    return { type: "other", number, code, rest: reader.uint32(), payload: reader.rest().slice() };
  return code === 0 ? readDiscovery(number, reader) : undefined;
}

function readDiscovery(number: number, reader: Reader): Icmpv6Body | undefined {
  const withOptions = <Head extends object>(head: Head): (Head & { readonly options: readonly NeighborOption[] }) | undefined => {
    const options = readOptions(reader);
    return options === undefined ? undefined : { ...head, options };
  };
  if (number === messageNumber.router_advertisement) {
    const hopLimit = reader.uint8();
    const flags = reader.uint8();
    return withOptions({
      type: "router_advertisement" as const,
      hopLimit,
      ...(flags & routerFlag.managed ? ({ managed: true } as const) : {}),
      ...(flags & routerFlag.other ? ({ other: true } as const) : {}),
      lifetime: reader.uint16(),
      reachableTime: reader.uint32(),
      retransmitTime: reader.uint32(),
    });
  }
  const flags = reader.uint32();
  if (number === messageNumber.router_solicitation) return withOptions({ type: "router_solicitation" as const });
  const target = IpAddress.fromBytes(reader.bytes(16));
  if (number === messageNumber.neighbor_solicitation) return withOptions({ type: "neighbor_solicitation" as const, target });
  return withOptions({
    type: "neighbor_advertisement" as const,
    target,
    ...(flags & advertisementFlag.router ? ({ router: true } as const) : {}),
    ...(flags & advertisementFlag.solicited ? ({ solicited: true } as const) : {}),
    ...(flags & advertisementFlag.override ? ({ override: true } as const) : {}),
  });
}

function writeOption(writer: Writer, option: NeighborOption): void {
  switch (option.type) {
    case "source_link_address":
    case "target_link_address":
      writer.uint8(optionNumber[option.type]).uint8(1).bytes(option.mac.bytes());
      break;
    case "mtu":
      writer.uint8(optionNumber.mtu).uint8(1).zeros(2).uint32(option.mtu);
      break;
    case "prefix":
      writer
        .uint8(optionNumber.prefix)
        .uint8(4)
        .uint8(option.length)
        .uint8((option.onLink ? prefixFlag.onLink : 0) | (option.autonomous ? prefixFlag.autonomous : 0))
        .uint32(option.validLifetime)
        .uint32(option.preferredLifetime)
        .zeros(4)
        .bytes(option.prefix.bytes());
      break;
    case "other": {
      const length = option.bytes.length + 2;
      if (length % 8 !== 0 || length > 255 * 8)
        throw new UnencodablePacket("ICMPv6", `an option of ${length} bytes, not a multiple of 8 up to 2040`);
      writer
        .uint8(option.number)
        .uint8(length / 8)
        .bytes(option.bytes);
    }
  }
}

/** Undefined when an option has length 0, which RFC 4861 §4.6 has dropped whole. */
function readOptions(reader: Reader): NeighborOption[] | undefined {
  const options: NeighborOption[] = [];
  while (reader.left > 0) {
    const number = reader.uint8();
    const length = reader.uint8();
    if (length === 0) return undefined;
    options.push(readOption(number, length, reader.inner(8 * length - 2)));
  }
  return options;
}

function readOption(number: number, length: number, body: Reader): NeighborOption {
  if (number === optionNumber.source_link_address && length === 1)
    return { type: "source_link_address", mac: MacAddress.fromBytes(body.rest()) };
  if (number === optionNumber.target_link_address && length === 1)
    return { type: "target_link_address", mac: MacAddress.fromBytes(body.rest()) };
  if (number === optionNumber.mtu && length === 1) {
    body.skip(2);
    return { type: "mtu", mtu: body.uint32() };
  }
  if (number === optionNumber.prefix && length === 4) {
    const prefixLength = body.uint8();
    const flags = body.uint8();
    const validLifetime = body.uint32();
    const preferredLifetime = body.uint32();
    body.skip(4);
    return {
      type: "prefix",
      prefix: IpAddress.fromBytes(body.bytes(16)),
      length: prefixLength,
      ...(flags & prefixFlag.onLink ? { onLink: true } : {}),
      ...(flags & prefixFlag.autonomous ? { autonomous: true } : {}),
      validLifetime,
      preferredLifetime,
    };
  }
  return { type: "other", number, bytes: body.rest().slice() };
}
