import type { IpAddress } from "#lib/ip/index.ts";
import { decodeFrame, ipProtocol, protocolOf, type TransportPacket } from "#lib/packet/index.ts";

/** What the audit log tells of a packet. */
export interface AuditedPacket {
  readonly source: IpAddress;
  readonly destination: IpAddress;
  /** Of TCP and UDP. */
  readonly sourcePort?: number;
  readonly destinationPort?: number;
  readonly protocol: string;
  /** Bytes of the IP packet, header included. */
  readonly length: number;
}

const names: Readonly<Record<number, string>> = {
  [ipProtocol.tcp]: "TCP",
  [ipProtocol.udp]: "UDP",
  [ipProtocol.sctp]: "SCTP",
  [ipProtocol.icmp]: "ICMP",
  2: "IGMP",
  [ipProtocol.icmpv6]: "IPv6-ICMP",
};
const ethernetHeader = 14;
const ipv6Header = 40;

/** Reads it from a frame; undefined for what is no IP packet. Total. */
export function auditedPacket(frame: Uint8Array): AuditedPacket | undefined {
  const ip = decodeFrame(frame)?.payload;
  if (ip?.kind !== "ipv4" && ip?.kind !== "ipv6") return undefined;
  const { source, destination, payload } = ip;
  const bytes = frame.subarray(ethernetHeader);
  const at = (index: number): number => ((bytes[index] ?? 0) << 8) | (bytes[index + 1] ?? 0);
  return {
    source,
    destination,
    ...portsOf(payload),
    protocol: names[protocolOf(payload)] ?? "UnknownProtocol",
    length: ip.kind === "ipv4" ? at(2) : ipv6Header + at(4),
  };
}

function portsOf(payload: TransportPacket): Pick<AuditedPacket, "sourcePort" | "destinationPort"> {
  if (payload.kind !== "tcp" && payload.kind !== "udp") return {};
  return { sourcePort: payload.sourcePort, destinationPort: payload.destinationPort };
}
