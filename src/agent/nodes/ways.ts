import type { RoutedBlock } from "#core/pipeline/rows.ts";
import type { Family, IpAddress, Prefix } from "#lib/ip/index.ts";
import type { AgentConfig } from "../config.ts";
import { NoTunnelAddress } from "../errors.ts";
import type { Transport } from "./transport.ts";

export type TrafficEncapMode = AgentConfig["trafficEncapMode"];

/** How packets get to other nodes: what follows from the mode and from the transport interface's addresses. */
export interface Ways {
  /** Families that tunnels of ours can run over; none where there are no tunnels. */
  readonly tunnelFamilies: readonly Family[];
  /** The blocks of another node, of those given, that the node's own routing reaches. */
  routed(podCIDRs: readonly Prefix[], transportAddresses: readonly IpAddress[]): readonly RoutedBlock[];
}

/** Throws {@link NoTunnelAddress} when tunnels of the configured type cannot run over any address that the transport interface has. */
export function waysOf(config: Pick<AgentConfig, "trafficEncapMode" | "tunnelType">, transport: Transport): Ways {
  const { trafficEncapMode: mode, tunnelType } = config;
  const families = transport.addresses.map(({ family }) => family);
  // Open vSwitch's GRE is IPv4's alone.
  const usable = tunnelType === "gre" ? families.filter((family) => family === 4) : families;
  if (hasTunnel(mode) && usable.length === 0) throw new NoTunnelAddress(tunnelType, transport.interfaceName);
  /** The other node's address for the block's family, when it is on our link: packets need no router in between. */
  const onLink = (block: Prefix, addresses: readonly IpAddress[]): IpAddress | undefined =>
    addresses.find((address) => address.family === block.family && transport.subnets.some((subnet) => subnet.contains(address)));
  return {
    tunnelFamilies: hasTunnel(mode) ? usable : [],
    routed(podCIDRs, transportAddresses) {
      if (mode === "encap" || mode === "networkPolicyOnly") return [];
      return podCIDRs.flatMap((block) => {
        const nextHop = onLink(block, transportAddresses);
        if (nextHop !== undefined) return [{ block, nextHop }];
        return mode === "noEncap" ? [{ block }] : [];
      });
    },
  };
}

/** Whether the bridge has a tunnel port. */
export const hasTunnel = (mode: TrafficEncapMode): boolean => mode === "encap" || mode === "hybrid";
