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
}

/** The flow-based tunnel port. */
export interface Tunnel {
  readonly ofport: number;
}

/** Another node whose pods are reached through the tunnel. */
export interface RemoteNode {
  readonly name: string;
  readonly podCIDRs: readonly Prefix[];
  /** Tunnel endpoints, the preferred one first. */
  readonly transportAddresses: readonly IpAddress[];
}
