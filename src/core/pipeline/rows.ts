import type { IpAddress, MacAddress, Prefix } from "#lib/ip/index.ts";

/** A pod's interface on this node's bridge. */
export interface LocalPort {
  readonly interfaceName: string;
  readonly ofport: number;
  readonly mac: MacAddress;
  /** All addresses the pod may send from, of both families. */
  readonly addresses: readonly IpAddress[];
  readonly podNamespace: string;
  readonly podName: string;
  readonly containerId: string;
}

/** The node's own port on the bridge, through which host and outside are reached. */
export interface Gateway {
  readonly ofport: number;
  readonly mac: MacAddress;
  /** First address of each pod CIDR of this node; link-local addresses to be answered for may be listed too. */
  readonly addresses: readonly IpAddress[];
  /**
   * Pods' routes are another plugin's (`networkPolicyOnly`): whatever address a pod asks for on its link, the gateway answers, and the switch and
   * the node's own routing take it from there.
   */
  readonly answersAll?: boolean;
}

/** The flow-based tunnel port. */
export interface Tunnel {
  readonly ofport: number;
}

/** Another node. Its pods are reached through the tunnel, those of `routed` blocks by the node's own routing. */
export interface RemoteNode {
  readonly name: string;
  readonly podCIDRs: readonly Prefix[];
  /** Tunnel endpoints that this node can reach, the preferred one first. */
  readonly transportAddresses: readonly IpAddress[];
  /** Those of `podCIDRs` that no tunnel carries. Absent: none. */
  readonly routed?: readonly RoutedBlock[];
}

/** Pods of another node that the node's own routing reaches. */
export interface RoutedBlock {
  readonly block: Prefix;
  /** The other node's address on the transport interface's link. Absent: routers in between know the way. */
  readonly nextHop?: IpAddress;
}

/** Blocks of another node that are reached through the tunnel. */
export function tunnelledBlocks({ podCIDRs, routed = [] }: Pick<RemoteNode, "podCIDRs" | "routed">): readonly Prefix[] {
  return podCIDRs.filter((cidr) => !routed.some(({ block }) => block.equals(cidr)));
}
