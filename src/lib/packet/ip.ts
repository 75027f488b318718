import { internetChecksum, type Reader, Writer } from "#lib/bytes/index.ts";
import { IpAddress } from "#lib/ip/index.ts";
import { UnencodablePacket } from "./errors.ts";
import { decodeTransport, encodeTransport, protocolOf } from "./transport.ts";
import type { Ipv4Packet, Ipv6Extension, Ipv6Packet, TransportPacket } from "./types.ts";

/** The bytes of an IPv4 packet with its checksums. Throws {@link UnencodablePacket}. */
export function encodeIpv4(packet: Ipv4Packet): Uint8Array {
  const { options } = packet;
  const optionBytes = options?.length ?? 0;
  if (optionBytes % 4 !== 0 || optionBytes > 40)
    throw new UnencodablePacket("IPv4", `options of ${optionBytes} bytes, not a multiple of 4 up to 40`);
  const payload = encodeTransport(packet.payload, packet);
  const headerBytes = 20 + optionBytes;
  if (headerBytes + payload.length > 0xffff) throw new UnencodablePacket("IPv4", `${headerBytes + payload.length} bytes are over 65535`);
  const writer = new Writer(headerBytes + payload.length);
  writer
    .uint8(0x40 | (headerBytes / 4))
    .uint8(((packet.dscp ?? 0) << 2) | (packet.ecn ?? 0))
    .uint16(headerBytes + payload.length)
    .uint16(packet.identification ?? 0)
    .uint16((packet.dontFragment ? 0x4000 : 0) | (packet.moreFragments ? 0x2000 : 0) | (packet.fragmentOffset ?? 0))
    .uint8(packet.ttl)
    .uint8(protocolOf(packet.payload))
    .uint16(0)
    .bytes(packet.source.bytes())
    .bytes(packet.destination.bytes())
    .bytes(options ?? new Uint8Array(0));
  writer.patchUint16(10, internetChecksum(writer.result()));
  return writer.bytes(payload).result();
}

/** Reads an IPv4 packet; bytes behind its length are padding. Undefined when it is none. Throws OutOfBytes when it is cut short. */
export function readIpv4(reader: Reader, bytes: Uint8Array): Ipv4Packet | undefined {
  const first = reader.uint8();
  const headerBytes = 4 * (first & 0xf);
  const tos = reader.uint8();
  const length = reader.uint16();
  if (first >>> 4 !== 4 || headerBytes < 20 || length < headerBytes) return undefined;
  const identification = reader.uint16();
  const fragment = reader.uint16();
  const ttl = reader.uint8();
  const protocol = reader.uint8();
  reader.skip(2);
  const source = IpAddress.fromBytes(reader.bytes(4));
  const destination = IpAddress.fromBytes(reader.bytes(4));
  const options = reader.bytes(headerBytes - 20).slice();
  const body = reader.bytes(length - headerBytes);
  const fragmentOffset = fragment & 0x1fff;
  const moreFragments = (fragment & 0x2000) !== 0;
  return {
    kind: "ipv4",
    source,
    destination,
    ttl,
    ...(tos >>> 2 === 0 ? {} : { dscp: tos >>> 2 }),
    ...((tos & 3) === 0 ? {} : { ecn: tos & 3 }),
    ...(identification === 0 ? {} : { identification }),
    ...(fragment & 0x4000 ? { dontFragment: true } : {}),
    ...(moreFragments ? { moreFragments } : {}),
    ...(fragmentOffset === 0 ? {} : { fragmentOffset }),
    ...(options.length === 0 ? {} : { options }),
    payload: payloadOf(protocol, body, { source, destination, fragmented: moreFragments || fragmentOffset !== 0 }),
    ...(internetChecksum(bytes.subarray(0, headerBytes)) === 0 ? {} : { badChecksum: true }),
  };
}

/** The bytes of an IPv6 packet with its checksum. Throws {@link UnencodablePacket}. */
export function encodeIpv6(packet: Ipv6Packet): Uint8Array {
  const { extensions = [] } = packet;
  const payload = encodeTransport(packet.payload, packet);
  const writer = new Writer(40 + payload.length);
  const nextHeader = (index: number): number => extensions[index]?.header ?? protocolOf(packet.payload);
  writer
    .uint32(0x60000000 + (packet.trafficClass ?? 0) * 2 ** 20 + (packet.flowLabel ?? 0))
    .uint16(0)
    .uint8(nextHeader(0))
    .uint8(packet.hopLimit)
    .bytes(packet.source.bytes())
    .bytes(packet.destination.bytes());
  for (const [index, extension] of extensions.entries()) writeExtension(writer, extension, nextHeader(index + 1));
  writer.bytes(payload);
  const length = writer.length - 40;
  if (length > 0xffff) throw new UnencodablePacket("IPv6", `a payload of ${length} bytes is over 65535`);
  return writer.patchUint16(4, length).result();
}

/** Reads an IPv6 packet with the extension headers that RFC 8200 defines. Undefined when it is none. Throws OutOfBytes when it is cut short. */
export function readIpv6(reader: Reader): Ipv6Packet | undefined {
  const first = reader.uint32();
  if (first >>> 28 !== 6) return undefined;
  const length = reader.uint16();
  let protocol = reader.uint8();
  const hopLimit = reader.uint8();
  const source = IpAddress.fromBytes(reader.bytes(16));
  const destination = IpAddress.fromBytes(reader.bytes(16));
  const body = reader.inner(length);
  const extensions: Ipv6Extension[] = [];
  let fragmented = false;
  while (isExtension(protocol) && !fragmented) {
    const next = body.uint8();
    if (protocol === fragmentHeader) {
      body.skip(1);
      const place = body.uint16();
      extensions.push({ header: fragmentHeader, offset: place >>> 3, more: (place & 1) !== 0, identification: body.uint32() });
      fragmented = place >>> 3 !== 0 || (place & 1) !== 0;
    } else extensions.push({ header: protocol, bytes: body.bytes(6 + 8 * body.uint8()).slice() });
    protocol = next;
  }
  const trafficClass = (first >>> 20) & 0xff;
  const flowLabel = first & 0xfffff;
  return {
    kind: "ipv6",
    source,
    destination,
    hopLimit,
    ...(trafficClass === 0 ? {} : { trafficClass }),
    ...(flowLabel === 0 ? {} : { flowLabel }),
    ...(extensions.length === 0 ? {} : { extensions }),
    payload: payloadOf(protocol, body.rest(), { source, destination, fragmented }),
  };
}

const fragmentHeader = 44;

function isExtension(protocol: number): protocol is 0 | 43 | 44 | 60 {
  return protocol === 0 || protocol === 43 || protocol === fragmentHeader || protocol === 60;
}

function writeExtension(writer: Writer, extension: Ipv6Extension, next: number): void {
  writer.uint8(next);
  if (extension.header === fragmentHeader) {
    writer
      .uint8(0)
      .uint16((extension.offset << 3) | (extension.more ? 1 : 0))
      .uint32(extension.identification);
    return;
  }
  const length = extension.bytes.length + 2;
  if (length % 8 !== 0 || length > 2_048)
    throw new UnencodablePacket("IPv6", `an extension of ${length} bytes, not a multiple of 8 up to 2048`);
  writer.uint8(length / 8 - 1).bytes(extension.bytes);
}

/** A fragment's bytes are no whole packet: they stay as they are. */
function payloadOf(
  protocol: number,
  bytes: Uint8Array,
  { source, destination, fragmented }: { readonly source: IpAddress; readonly destination: IpAddress; readonly fragmented: boolean },
): TransportPacket {
  return fragmented ? { kind: "other", protocol, bytes: bytes.slice() } : decodeTransport(protocol, bytes, { source, destination });
}
