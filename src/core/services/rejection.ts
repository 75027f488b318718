import {
  decodeFrame,
  encodeFrame,
  type EthernetFrame,
  type Ipv4Packet,
  type Ipv6Packet,
  type TcpSegment,
  type TransportPacket,
} from "#lib/packet/index.ts";

const ethernetHeader = 14;
/** Of the refused packet, what an ICMP error quotes: it must fit the smallest MTU (RFC 1812 §4.3.2.3, RFC 4443 §2.4). */
const quoted = { ipv4: 548, ipv6: 1_232 } as const;
const ttl = 64;
const unreachable = { ipv4: 3, ipv6: 1 } as const;
const portUnreachable = { ipv4: 3, ipv6: 4 } as const;

/**
 * The answer to a packet that nobody will serve, as if the destination itself gave it: RST to TCP (RFC 9293 §3.5.2), port unreachable to the rest.
 * Undefined for what must not be answered: RST, ICMP errors, fragments and what is malformed. Total.
 */
export function rejectionOf(packet: Uint8Array): Uint8Array | undefined {
  const frame = decodeFrame(packet);
  if (frame === undefined || (frame.payload.kind !== "ipv4" && frame.payload.kind !== "ipv6")) return undefined;
  const { payload: refused } = frame;
  const transport = answerTo(refused, packet.subarray(ethernetHeader));
  return transport === undefined ? undefined : encodeFrame(backwards(frame, refused, transport));
}

function answerTo({ kind, payload }: Ipv4Packet | Ipv6Packet, bytes: Uint8Array): TransportPacket | undefined {
  if (payload.kind === "tcp") return resetOf(payload);
  if (payload.kind !== "udp" && payload.kind !== "sctp") return undefined;
  const quote = bytes.slice(0, quoted[kind]);
  return kind === "ipv4"
    ? { kind: "icmp", type: unreachable.ipv4, code: portUnreachable.ipv4, rest: 0, payload: quote }
    : {
        kind: "icmpv6",
        body: { type: "other", number: unreachable.ipv6, code: portUnreachable.ipv6, rest: 0, payload: quote },
      };
}

function resetOf({ sourcePort, destinationPort, sequence, acknowledgment, flags, payload }: TcpSegment): TcpSegment | undefined {
  if (flags.includes("rst")) return undefined;
  const answer = { kind: "tcp", sourcePort: destinationPort, destinationPort: sourcePort, window: 0, payload: new Uint8Array(0) } as const;
  if (flags.includes("ack")) return { ...answer, sequence: acknowledgment, acknowledgment: 0, flags: ["rst"] };
  const length = payload.length + (flags.includes("syn") ? 1 : 0) + (flags.includes("fin") ? 1 : 0);
  return { ...answer, sequence: 0, acknowledgment: (sequence + length) >>> 0, flags: ["rst", "ack"] };
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
