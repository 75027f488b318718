import { internetChecksum, OutOfBytes, Reader, Writer } from "#lib/bytes/index.ts";
import { crc32c, type PseudoHeader, transportChecksum } from "./checksum.ts";
import { UnencodablePacket } from "./errors.ts";
import { readIcmpv6, writeIcmpv6 } from "./icmpv6.ts";
import type { IcmpMessage, SctpChunk, SctpPacket, TcpSegment, TransportPacket, UdpDatagram } from "./types.ts";
import { tcpFlags } from "./types.ts";

/** IP protocol numbers of what is decoded here (IANA). */
export const ipProtocol = { icmp: 1, tcp: 6, udp: 17, icmpv6: 58, sctp: 132 } as const;

export function protocolOf(packet: TransportPacket): number {
  return packet.kind === "other" ? packet.protocol : ipProtocol[packet.kind];
}

/** The bytes of a transport packet between these addresses, with its checksum. Throws {@link UnencodablePacket}. */
export function encodeTransport(packet: TransportPacket, pseudo: PseudoHeader): Uint8Array {
  if (packet.kind === "other") return packet.bytes;
  const writer = new Writer(64);
  writers[packet.kind](writer, packet as never);
  const bytes = writer.result();
  if (packet.kind === "sctp") {
    // The one that is least significant first.
    const sum = crc32c(bytes);
    for (let index = 0; index < 4; index++) bytes[checksumAt.sctp + index] = sum >>> (8 * index);
  } else {
    const sum = packet.kind === "icmp" ? internetChecksum(bytes) : transportChecksum(pseudo, ipProtocol[packet.kind], bytes);
    // In UDP, zero would say that there is none.
    const told = packet.kind === "udp" && sum === 0 ? 0xffff : sum;
    bytes[checksumAt[packet.kind]] = told >>> 8;
    bytes[checksumAt[packet.kind] + 1] = told;
  }
  return bytes;
}

/** What `bytes` are under this protocol. Total: other protocols and malformed bytes are kept as they are. */
export function decodeTransport(protocol: number, bytes: Uint8Array, pseudo: PseudoHeader): TransportPacket {
  const read = readers[protocol];
  if (read === undefined) return { kind: "other", protocol, bytes: bytes.slice() };
  try {
    const packet = read(new Reader(bytes), bytes);
    if (packet !== undefined) return checksumIsGood(protocol, bytes, pseudo) ? packet : { ...packet, badChecksum: true };
  } catch (error) {
    if (!(error instanceof OutOfBytes)) throw error;
  }
  return { kind: "other", protocol, bytes: bytes.slice(), malformed: true };
}

type Decoded = Exclude<TransportPacket, { readonly kind: "other" }>;

const checksumAt = { icmp: 2, tcp: 16, udp: 6, icmpv6: 2, sctp: 8 } as const;

function checksumIsGood(protocol: number, bytes: Uint8Array, pseudo: PseudoHeader): boolean {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (protocol === ipProtocol.icmp) return internetChecksum(bytes) === 0;
  if (protocol === ipProtocol.sctp) {
    const cleared = bytes.slice();
    cleared.fill(0, checksumAt.sctp, checksumAt.sctp + 4);
    return crc32c(cleared) === view.getUint32(checksumAt.sctp, true);
  }
  if (protocol === ipProtocol.udp && view.getUint16(checksumAt.udp) === 0) return pseudo.source.family === 4;
  const covered = protocol === ipProtocol.udp ? bytes.subarray(0, view.getUint16(4)) : bytes;
  return transportChecksum(pseudo, protocol, covered) === 0;
}

const writers: { readonly [Kind in Decoded["kind"]]: (writer: Writer, packet: Extract<Decoded, { readonly kind: Kind }>) => void } = {
  tcp(writer, { sourcePort, destinationPort, sequence, acknowledgment, flags, window, urgentPointer, options, payload }) {
    const optionBytes = options?.length ?? 0;
    if (optionBytes % 4 !== 0 || optionBytes > 40)
      throw new UnencodablePacket("TCP", `options of ${optionBytes} bytes, not a multiple of 4 up to 40`);
    const bits = flags.reduce((sum, flag) => sum | (1 << tcpFlags.indexOf(flag)), 0);
    writer
      .uint16(sourcePort)
      .uint16(destinationPort)
      .uint32(sequence)
      .uint32(acknowledgment)
      .uint16(((5 + optionBytes / 4) << 12) | bits)
      .uint16(window)
      .uint16(0)
      .uint16(urgentPointer ?? 0)
      .bytes(options ?? new Uint8Array(0))
      .bytes(payload);
  },
  udp(writer, { sourcePort, destinationPort, payload }) {
    if (payload.length > 0xffff - 8) throw new UnencodablePacket("UDP", `a payload of ${payload.length} bytes is over 65527`);
    writer
      .uint16(sourcePort)
      .uint16(destinationPort)
      .uint16(8 + payload.length)
      .uint16(0)
      .bytes(payload);
  },
  sctp(writer, { sourcePort, destinationPort, verificationTag, chunks }) {
    writer.uint16(sourcePort).uint16(destinationPort).uint32(verificationTag).uint32(0);
    for (const { type, flags, value } of chunks) {
      if (value.length > 0xffff - 4) throw new UnencodablePacket("SCTP", `a chunk of ${value.length} bytes is over 65531`);
      writer
        .uint8(type)
        .uint8(flags)
        .uint16(4 + value.length)
        .bytes(value)
        .align(4);
    }
  },
  icmp(writer, { type, code, rest, payload }) {
    writer.uint8(type).uint8(code).uint16(0).uint32(rest).bytes(payload);
  },
  icmpv6(writer, { body }) {
    writeIcmpv6(writer, body);
  },
};

const readers: Readonly<Record<number, (reader: Reader, bytes: Uint8Array) => Decoded | undefined>> = {
  [ipProtocol.tcp]: readTcp,
  [ipProtocol.udp]: readUdp,
  [ipProtocol.sctp]: readSctp,
  [ipProtocol.icmp]: readIcmp,
  [ipProtocol.icmpv6](reader) {
    const body = readIcmpv6(reader);
    return body === undefined ? undefined : { kind: "icmpv6", body };
  },
};

function readTcp(reader: Reader): TcpSegment | undefined {
  const sourcePort = reader.uint16();
  const destinationPort = reader.uint16();
  const sequence = reader.uint32();
  const acknowledgment = reader.uint32();
  const offsetAndFlags = reader.uint16();
  const window = reader.uint16();
  reader.skip(2);
  const urgentPointer = reader.uint16();
  const words = offsetAndFlags >>> 12;
  if (words < 5) return undefined;
  const options = reader.bytes(4 * (words - 5)).slice();
  return {
    kind: "tcp",
    sourcePort,
    destinationPort,
    sequence,
    acknowledgment,
    flags: tcpFlags.filter((_, index) => offsetAndFlags & (1 << index)),
    window,
    ...(urgentPointer === 0 ? {} : { urgentPointer }),
    ...(options.length === 0 ? {} : { options }),
    payload: reader.rest().slice(),
  };
}

function readUdp(reader: Reader): UdpDatagram {
  const sourcePort = reader.uint16();
  const destinationPort = reader.uint16();
  const length = reader.uint16();
  reader.skip(2);
  return { kind: "udp", sourcePort, destinationPort, payload: reader.bytes(length - 8).slice() };
}

function readSctp(reader: Reader): SctpPacket {
  const sourcePort = reader.uint16();
  const destinationPort = reader.uint16();
  const verificationTag = reader.uint32();
  reader.skip(4);
  const chunks: SctpChunk[] = [];
  while (reader.left > 0) {
    const type = reader.uint8();
    const flags = reader.uint8();
    const length = reader.uint16();
    chunks.push({ type, flags, value: reader.bytes(length - 4).slice() });
    reader.skip(Math.min((4 - (length % 4)) % 4, reader.left));
  }
  return { kind: "sctp", sourcePort, destinationPort, verificationTag, chunks };
}

function readIcmp(reader: Reader): IcmpMessage {
  const type = reader.uint8();
  const code = reader.uint8();
  reader.skip(2);
  return { kind: "icmp", type, code, rest: reader.uint32(), payload: reader.rest().slice() };
}
