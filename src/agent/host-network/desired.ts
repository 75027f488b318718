import { type RemoteNode, tunnelledBlocks } from "#core/pipeline/rows.ts";
import { type Family, hostPrefix, type IpAddress, type Prefix } from "#lib/ip/index.ts";
import { gatewayAddress } from "../cni/index.ts";

/** What the node's own network depends on. */
export interface HostNetworkInput {
  /** `hostGateway`. */
  readonly gateway: string;
  readonly mtu: number;
  readonly datapath: "system" | "netdev";
  /** This node's, at most one of each family. None where pods' addresses are another plugin's. */
  readonly podCIDRs: readonly Prefix[];
  /** Where pods' addresses are another plugin's: the node's own, which the gateway has too. */
  readonly nodeAddresses?: readonly IpAddress[];
  readonly remoteNodes: readonly RemoteNode[];
  /** Pods that are reached one by one, as no block of this node holds them. */
  readonly localPods?: readonly LocalPod[];
  /** The interface that carries traffic between nodes; its IPv6 configuration must survive that the node becomes a router. */
  readonly transportInterface: string;
  /** Whether pods' own addresses are hidden from what is outside the cluster. */
  readonly masquerade: boolean;
}

/** A pod here whose wire another plugin made. */
export interface LocalPod {
  /** The node's end of its wire. */
  readonly interfaceName: string;
  readonly addresses: readonly IpAddress[];
}

/** A route of ours. The link is the interface of that name, whatever its index is at the moment. */
export interface WantedRoute {
  readonly destination: Prefix;
  readonly linkName: string;
  /** Absent: the destination is on the link. */
  readonly gateway?: IpAddress;
  /**
   * The kernel's own choice of a source would not do: the node's connections to pods must not come from an address that pods cannot reach through the tunnel, but from its gateway's
   * ({@link sourcesOf}).
   */
  readonly fromGateway?: true;
  /** A route to the same destination over this interface is another plugin's, and gives way to ours. */
  readonly insteadOf?: string;
}

/**
 * Next hops of routes through the tunnel for which the switch does not answer: other nodes' gateways, in IPv6 on the kernel's datapath. The switch knows the
 * way by the destination alone, so one MAC address does for all.
 */
export function neighboursFor(routes: Iterable<WantedRoute>, input: Pick<HostNetworkInput, "datapath" | "gateway">): readonly IpAddress[] {
  if (input.datapath === "netdev") return [];
  return [...routes].flatMap((route) => neighbourFor(route, input) ?? []);
}

/** The same for one route: its next hop, if the switch does not answer for it. */
export function neighbourFor(
  { linkName, gateway }: WantedRoute,
  input: Pick<HostNetworkInput, "datapath" | "gateway">,
): IpAddress | undefined {
  return input.datapath === "system" && linkName === input.gateway && gateway?.family === 6 ? gateway : undefined;
}

/** A setting below /proc/sys; with `only`, changed from that value alone. */
export interface Setting {
  readonly path: string;
  readonly value: string;
  readonly only?: string;
}

/** Addresses of the gateway: the first of each pod CIDR, which makes the block reachable through it; else the node's own, alone. */
export function gatewayAddresses({
  podCIDRs,
  nodeAddresses = [],
}: Pick<HostNetworkInput, "podCIDRs" | "nodeAddresses">): { readonly address: IpAddress; readonly prefixLength: number }[] {
  return [
    ...podCIDRs.map((block) => ({ address: gatewayAddress(block), prefixLength: block.length })),
    ...nodeAddresses.map((address) => ({ address, prefixLength: hostPrefix(address).length })),
  ];
}

/** Over the gateway instead of its own wire. */
export function routesToPod({ addresses, interfaceName }: LocalPod, { gateway }: Pick<HostNetworkInput, "gateway">): WantedRoute[] {
  return addresses.map((address) => ({ destination: hostPrefix(address), linkName: gateway, insteadOf: interfaceName }));
}

/** What routes that are `fromGateway` have for a source, by family. */
export function sourcesOf({ podCIDRs }: Pick<HostNetworkInput, "podCIDRs">): ReadonlyMap<Family, IpAddress> {
  return new Map(podCIDRs.map((block) => [block.family, gatewayAddress(block)]));
}

/** Routes to one row, with their destinations as text. */
export type RouteEntries = readonly (readonly [destination: string, route: WantedRoute])[];

/** Rows are replaced and never changed. What follows from one is the same on all nodes of one process that have it and are set up alike. */
const ofNode = new WeakMap<RemoteNode, { readonly setUp: string; readonly entries: RouteEntries }>();

/** Through the tunnel: by the other node's gateway address, for which the switch answers, of the families that this node has pods in. */
export function routesTo(node: RemoteNode, input: Pick<HostNetworkInput, "gateway" | "podCIDRs" | "transportInterface">): RouteEntries {
  const { gateway, podCIDRs, transportInterface } = input;
  const families = podCIDRs.map(({ family }) => family);
  const setUp = `${gateway} ${transportInterface} ${families.join()}`;
  const known = ofNode.get(node);
  if (known?.setUp === setUp) return known.entries;
  const tunnelled = tunnelledBlocks(node)
    .filter(({ family }) => families.includes(family))
    .map((destination): WantedRoute => ({ destination, linkName: gateway, gateway: gatewayAddress(destination), fromGateway: true }));
  const routed = (node.routed ?? []).flatMap(({ block, nextHop }) =>
    nextHop === undefined ? [] : [{ destination: block, linkName: transportInterface, gateway: nextHop }],
  );
  const entries = [...tunnelled, ...routed].map((route) => [String(route.destination), route] as const);
  ofNode.set(node, { setUp, entries });
  return entries;
}

export function settings(input: HostNetworkInput): Setting[] {
  const { gateway, transportInterface } = input;
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
  const has = (family: Family): boolean => gatewayAddresses(input).some(({ address }) => address.family === family);
  return [...(has(4) ? v4 : []), ...(has(6) ? v6 : [])];
}
