import type { IpAddress } from "#lib/ip/index.ts";
import {
  decodeFrame,
  encodeFrame,
  encodeTransport,
  type EthernetFrame,
  type Ipv4Packet,
  type Ipv6Packet,
  type TcpSegment,
  type TransportPacket,
} from "#lib/packet/index.ts";
import type { AskedDestination } from "./asked-destination.ts";

export interface Refusal {
  /** A policy forbids it, or there is nobody behind the address. */
  readonly because: "a policy forbids it" | "nobody serves it";
  /** Where the client sent the packet, when it was changed since (a Service): the answer comes from there, and quotes it. */
  readonly asked?: AskedDestination | undefined;
}

const ethernetHeader = 14;
const ttl = 64;
/** ICMP destination unreachable (RFC 792; RFC 4443 §3.1). */
const unreachable = { ipv4: 3, ipv6: 1 } as const;
/** Communication administratively prohibited (RFC 1812 §5.2.7.1; RFC 4443 §3.1), and port unreachable. */
const codes = {
  "a policy forbids it": { ipv4: 10, ipv6: 1 },
  "nobody serves it": { ipv4: 3, ipv6: 4 },
} as const;
/** Of the packet, what an ICMP error quotes behind the IP header for a policy (RFC 792). */
const quotedOfTransport = 8;
/** What it quotes in all otherwise: it must fit the smallest MTU (RFC 1812 §4.3.2.3, RFC 4443 §2.4). */
const quoted = { ipv4: 548, ipv6: 1_232 } as const;

/**
 * The answer that refuses a packet, from where its client sent it to: RST to TCP, ICMP unreachable to the rest, addressed back to where the frame came
 * from. Undefined for what must not be answered: RST, ICMP errors, fragments, groups, what is malformed. Total.
 */
export function refusalOf(packet: Uint8Array, refusal: Refusal): Uint8Array | undefined {
  const frame = decodeFrame(packet);
  if (frame === undefined || (frame.payload.kind !== "ipv4" && frame.payload.kind !== "ipv6")) return undefined;
  const refused = asSent(frame.payload, refusal.asked);
  if (isGroup(refused.source) || isGroup(refused.destination) || isFragment(refused)) return undefined;
  // A reset quotes nothing.
  const quotable = (): Uint8Array =>
    (refused === frame.payload ? packet : encodeFrame({ ...frame, payload: refused })).subarray(ethernetHeader);
  const transport = answerTo(refused, quotable, refusal);
  return transport === undefined ? undefined : encodeFrame(backwards(frame, refused, transport));
}

/** The packet as the client sent it. */
function asSent(packet: Ipv4Packet | Ipv6Packet, asked: AskedDestination | undefined): Ipv4Packet | Ipv6Packet {
  if (asked === undefined) return packet;
  const { address: destination, port } = asked;
  const { payload } = packet;
  const hasPorts = payload.kind === "tcp" || payload.kind === "udp" || payload.kind === "sctp";
  const isOtherPort = port !== undefined && hasPorts && payload.destinationPort !== port;
  if (!isOtherPort && destination.equals(packet.destination)) return packet;
  const changed = isOtherPort ? { ...payload, destinationPort: port } : payload;
  return { ...packet, destination, payload: changed };
}

function answerTo(packet: Ipv4Packet | Ipv6Packet, quotable: () => Uint8Array, { because }: Refusal): TransportPacket | undefined {
  const { kind, payload } = packet;
  if (payload.kind === "tcp") return resetOf(payload);
  if (isError(payload) || (payload.kind === "other" && payload.malformed)) return undefined;
  // Nobody behind a Service's address: only what has ports was for the Service.
  if (because === "nobody serves it" && payload.kind !== "udp" && payload.kind !== "sctp") return undefined;
  const bytes = quotable();
  const headerBytes = packetBytes(packet, bytes) - encodeTransport(payload, packet).length;
  const length = because === "nobody serves it" ? quoted[kind] : headerBytes + quotedOfTransport;
  const quote = bytes.slice(0, length);
  const code = codes[because][kind];
  return kind === "ipv4"
    ? { kind: "icmp", type: unreachable.ipv4, code, rest: 0, payload: quote }
    : { kind: "icmpv6", body: { type: "other", number: unreachable.ipv6, code, rest: 0, payload: quote } };
}

/** RFC 9293 §3.5.2: a reset is believed when it acknowledges what was sent, or continues what was acknowledged. */
function resetOf({ sourcePort, destinationPort, sequence, acknowledgment, flags, payload }: TcpSegment): TcpSegment | undefined {
  if (flags.includes("rst")) return undefined;
  const answer = { kind: "tcp", sourcePort: destinationPort, destinationPort: sourcePort, window: 0, payload: new Uint8Array(0) } as const;
  if (flags.includes("ack")) return { ...answer, sequence: acknowledgment, acknowledgment: 0, flags: ["rst"] };
  const length = payload.length + (flags.includes("syn") ? 1 : 0) + (flags.includes("fin") ? 1 : 0);
  return { ...answer, sequence: 0, acknowledgment: (sequence + length) >>> 0, flags: ["rst", "ack"] };
}

/** ICMP messages that are no queries: an error about an error would never end (RFC 1122 §3.2.2, RFC 4443 §2.4). */
function isError(payload: TransportPacket): boolean {
  if (payload.kind === "icmp") return icmpErrors.has(payload.type);
  return payload.kind === "icmpv6" && (payload.body.type !== "other" || payload.body.number < firstInformational);
}

const icmpErrors = new Set([3, 4, 5, 11, 12]);
const firstInformational = 128;

function isFragment(packet: Ipv4Packet | Ipv6Packet): boolean {
  if (packet.kind === "ipv4") return packet.moreFragments === true || (packet.fragmentOffset ?? 0) > 0;
  return (packet.extensions ?? []).some((extension) => extension.header === 44 && (extension.more || extension.offset > 0));
}

function isGroup({ family, value }: IpAddress): boolean {
  // Multicast, broadcast and the unspecified address.
  if (value === 0n) return true;
  return family === 4 ? value >> 28n >= 0xen : value >> 120n === 0xffn;
}

/** Bytes of the packet itself: a short frame has padding behind it. */
function packetBytes({ kind }: Ipv4Packet | Ipv6Packet, bytes: Uint8Array): number {
  const at = (index: number): number => ((bytes[index] ?? 0) << 8) | (bytes[index + 1] ?? 0);
  return kind === "ipv4" ? at(2) : 40 + at(4);
}

function backwards({ source, destination }: EthernetFrame, refused: Ipv4Packet | Ipv6Packet, payload: TransportPacket): EthernetFrame {
  const addresses = { source: refused.destination, destination: refused.source };
  return {
    source: destination,
    destination: source,
    payload:
      refused.kind === "ipv4" ? { kind: "ipv4", ...addresses, ttl, payload } : { kind: "ipv6", ...addresses, hopLimit: ttl, payload },
  };
}
