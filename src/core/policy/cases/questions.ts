import type { Family, IpAddress } from "#lib/ip/index.ts";
import type { NetworkPacket, TransportPacket } from "#lib/packet/index.ts";
import { encodeIpv4, encodeIpv6 } from "#lib/packet/index.ts";
import type { ProbedService } from "./probes.ts";

/** What one end asks the other. */
export interface Question {
  readonly family: Family;
  readonly protocol: ProbedService["protocol"];
  /** The destination port; of `ip` the protocol's number. */
  readonly port: number;
  readonly sourcePort: number;
  readonly source: IpAddress;
  readonly destination: IpAddress;
}

const noBytes = new Uint8Array();
const word = new TextEncoder().encode("word");
const echo = { 4: { request: 8, reply: 0 }, 6: { request: 128, reply: 129 } } as const;
const unreachable = { 4: { type: 3, code: 3 }, 6: { type: 1, code: 4 } } as const;

/** The first packet of the conversation. */
export function firstPacket({ family, protocol, port, sourcePort }: Question): TransportPacket {
  switch (protocol) {
    case "tcp":
      return {
        kind: "tcp",
        sourcePort,
        destinationPort: port,
        sequence: 1_000,
        acknowledgment: 0,
        flags: ["syn"],
        window: 65_535,
        payload: noBytes,
      };
    case "udp":
      return { kind: "udp", sourcePort, destinationPort: port, payload: word };
    case "sctp":
      return { kind: "sctp", sourcePort, destinationPort: port, verificationTag: 0, chunks: [{ type: 1, flags: 0, value: initOf(1) }] };
    case "icmp":
      return icmp(family, echo[family].request, 0, (sourcePort << 16) | 1, word);
    case "ip":
      return other(port, sourcePort);
  }
}

/** What the receiver says to the first packet: yes, or that nobody listens. */
export function answerPacket(question: Question & { readonly served: boolean }): TransportPacket {
  const { family, protocol, port, sourcePort, served } = question;
  switch (protocol) {
    case "tcp":
      return {
        kind: "tcp",
        sourcePort: port,
        destinationPort: sourcePort,
        sequence: served ? 5_000 : 0,
        acknowledgment: 1_001,
        flags: served ? ["syn", "ack"] : ["rst", "ack"],
        window: 65_535,
        payload: noBytes,
      };
    case "udp":
      if (served) return { kind: "udp", sourcePort: port, destinationPort: sourcePort, payload: word };
      return icmp(family, unreachable[family].type, unreachable[family].code, 0, quoted(question));
    case "sctp":
      return {
        kind: "sctp",
        sourcePort: port,
        destinationPort: sourcePort,
        verificationTag: 1,
        chunks: [{ type: 2, flags: 0, value: initOf(2) }],
      };
    case "icmp":
      return icmp(family, echo[family].reply, 0, (sourcePort << 16) | 1, word);
    case "ip":
      return other(port, sourcePort);
  }
}

/** What the asker says once the answer is there, and over a connection that stands. */
export function nextPacket({
  port,
  sourcePort,
}: Pick<Question, "port" | "sourcePort">): Extract<TransportPacket, { readonly kind: "tcp" }> {
  return {
    kind: "tcp",
    sourcePort,
    destinationPort: port,
    sequence: 1_001,
    acknowledgment: 5_001,
    flags: ["ack"],
    window: 65_535,
    payload: noBytes,
  };
}

/** What the receiver says over a connection that stands: `port` is the asker's, `sourcePort` its own. */
export function nextAnswer(backwards: Pick<Question, "port" | "sourcePort">): TransportPacket {
  return { ...nextPacket(backwards), sequence: 5_001, acknowledgment: 1_001 };
}

export function ipPacket(source: IpAddress, destination: IpAddress, payload: TransportPacket): NetworkPacket {
  return source.family === 4
    ? { kind: "ipv4", source, destination, ttl: 64, payload }
    : { kind: "ipv6", source, destination, hopLimit: 64, payload };
}

function icmp(family: Family, type: number, code: number, rest: number, payload: Uint8Array): TransportPacket {
  return family === 4
    ? { kind: "icmp", type, code, rest: rest >>> 0, payload }
    : { kind: "icmpv6", body: { type: "other", number: type, code, rest: rest >>> 0, payload } };
}

/** Nothing but the number by which the conversation is known, where GRE has a key and not its flags: the kernel's tracker reads those. */
const other = (protocol: number, sourcePort: number): TransportPacket => ({
  kind: "other",
  protocol,
  bytes: Uint8Array.of(0, 0, 0, 0, sourcePort >> 8, sourcePort & 0xff, 0, 0),
});

/** An ICMP error quotes the packet that it is about. */
function quoted(question: Question): Uint8Array {
  const packet = ipPacket(question.source, question.destination, firstPacket(question));
  if (packet.kind === "ipv4") return encodeIpv4(packet);
  return packet.kind === "ipv6" ? encodeIpv6(packet) : noBytes;
}

/** RFC 9260 §3.3.2: initiate tag, window, streams out and in, initial TSN. */
function initOf(tag: number): Uint8Array {
  const value = new Uint8Array(16);
  const view = new DataView(value.buffer);
  view.setUint32(0, tag);
  view.setUint32(4, 65_535);
  view.setUint16(8, 1);
  view.setUint16(10, 1);
  view.setUint32(12, 1);
  return value;
}
