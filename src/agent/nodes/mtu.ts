import type { AgentConfig } from "../config.ts";
import type { Transport } from "./transport.ts";

/**
 * What a tunnel adds before a pod's packet reaches the transport interface, in bytes, with IPv4 outside: the pod's Ethernet header 14, IPv4 20, then
 * Geneve: UDP 8, header 8 (RFC 8926 §3.4); VXLAN: UDP 8, header 8 (RFC 7348 §5); GRE: header 4 and key 4 (RFC 2890 §2).
 */
const overhead = { geneve: 50, vxlan: 50, gre: 42 } as const;
/** GRE's checksum and the two bytes after it; UDP has room for its own. */
const greChecksum = 4;
/** How much longer an IPv6 header is than an IPv4 header. */
const outerIpv6Excess = 20;
/** Larger ones are of no use to a tunnel, whose own packet ends at 65 535 bytes. */
const largestMtu = 65_000;

export type MtuConfig = Pick<AgentConfig, "defaultMTU" | "trafficEncapMode" | "tunnelType" | "tunnelCsum">;

/** MTU of pods and gateway, so that a full packet still fits the transport interface, in a tunnel where there is one. */
export function podMtu({ defaultMTU, trafficEncapMode, tunnelType, tunnelCsum }: MtuConfig, transport: Transport): number {
  if (defaultMTU > 0) return defaultMTU;
  if (trafficEncapMode === "noEncap" || trafficEncapMode === "networkPolicyOnly" || tunnelType === "stt") return transport.mtu;
  const overIpv6 = tunnelType !== "gre" && transport.addresses.some(({ family }) => family === 6);
  const added = overhead[tunnelType] + (overIpv6 ? outerIpv6Excess : 0) + (tunnelType === "gre" && tunnelCsum ? greChecksum : 0);
  return Math.min(largestMtu, transport.mtu - added);
}
