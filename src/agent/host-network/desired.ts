import type { RemoteNode } from "#core/pipeline/rows.ts";
import type { IpAddress, Prefix } from "#lib/ip/index.ts";
import { gatewayAddress } from "../cni/index.ts";

/** What the node's own network depends on. */
export interface HostNetworkInput {
  /** `hostGateway`. */
  readonly gateway: string;
  readonly mtu: number;
  readonly datapath: "system" | "netdev";
  /** This node's, at most one of each family. */
  readonly podCIDRs: readonly Prefix[];
  readonly remoteNodes: readonly RemoteNode[];
  /** The interface that carries tunnels; its IPv6 configuration must survive that the node becomes a router. */
  readonly transportInterface: string;
}

/** A route to another node's pods. The link is the gateway's, whatever its index is at the moment. */
export interface PodRoute {
  readonly destination: Prefix;
  /** The other node's gateway, for which the switch answers ARP and ND. */
  readonly gateway: IpAddress;
  /** Ours, so that the node's own connections to pods do not come from an address that pods cannot reach through the tunnel. */
  readonly source: IpAddress;
}

/** A setting below /proc/sys; with `only`, changed from that value alone. */
export interface Setting {
  readonly path: string;
  readonly value: string;
  readonly only?: string;
}

/** Addresses of the gateway: the first of each pod CIDR, which makes the block reachable through it. */
export function gatewayAddresses(podCIDRs: readonly Prefix[]): { readonly address: IpAddress; readonly prefixLength: number }[] {
  return podCIDRs.map((block) => ({ address: gatewayAddress(block), prefixLength: block.length }));
}

/** One route for each pod CIDR of another node, of the families that this node has pods in. */
export function podRoutes({ podCIDRs, remoteNodes }: Pick<HostNetworkInput, "podCIDRs" | "remoteNodes">): PodRoute[] {
  return remoteNodes.flatMap((node) =>
    node.podCIDRs.flatMap((destination) => {
      const own = podCIDRs.find(({ family }) => family === destination.family);
      return own === undefined ? [] : [{ destination, gateway: gatewayAddress(destination), source: gatewayAddress(own) }];
    }),
  );
}

export function settings({ gateway, podCIDRs, transportInterface }: HostNetworkInput): Setting[] {
  const v4 = [
    { path: "net/ipv4/ip_forward", value: "1" },
    // The switch lets the gateway ask for addresses in its own name alone.
    { path: `net/ipv4/conf/${gateway}/arp_announce`, value: "2" },
    // Loose: what a pod answers to a masqueraded or redirected connection may come in where the route does not point.
    { path: `net/ipv4/conf/${gateway}/rp_filter`, value: "2" },
  ];
  const v6 = [
    { path: "net/ipv6/conf/all/forwarding", value: "1" },
    // A router ignores adverts unless told otherwise, and would lose the default route it learned from them.
    { path: `net/ipv6/conf/${transportInterface}/accept_ra`, value: "2", only: "1" },
    { path: `net/ipv6/conf/${gateway}/accept_ra`, value: "0" },
    { path: `net/ipv6/conf/${gateway}/accept_dad`, value: "0" },
    { path: `net/ipv6/conf/${gateway}/disable_ipv6`, value: "0" },
  ];
  const has = (family: 4 | 6): boolean => podCIDRs.some((block) => block.family === family);
  return [...(has(4) ? v4 : []), ...(has(6) ? v6 : [])];
}
