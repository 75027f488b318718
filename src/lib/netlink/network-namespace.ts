import type { Family, IpAddress } from "#lib/ip/address.ts";
import type { MacAddress } from "#lib/ip/mac.ts";
import type { AddressRequest, InterfaceAddress } from "./address.ts";
import type { ConntrackEntry } from "./conntrack.ts";
import type { OffloadFeature } from "./jobs.ts";
import type { Link, LinkChange, NewLink, WhichLink } from "./link.ts";
import type { Neighbour } from "./neighbour.ts";
import type { Route, RouteFilter, RouteRequest } from "./route.ts";
import type { SetElementsChange } from "./set-elements.ts";
import type { NetworkEvent, Watched } from "./watch.ts";

/** Which tracked connections: those one of whose ends is `address`, in every zone or in those of `zones`. */
export interface ConntrackFilter {
  readonly address: IpAddress;
  readonly zones?: readonly number[];
  /** Of these, the entries that it is true for. */
  readonly which?: (entry: ConntrackEntry) => boolean;
}

/**
 * One network namespace. Methods reject with `NetlinkError` (kernel's errno) and, where an interface is named that is not there, with
 * `LinkNotFound`. Calls made without waiting in between are carried out in order.
 */
export interface NetworkNamespace {
  /** Where it was opened; absent for the process's own and for unnamed ones. */
  readonly path?: string;
  /** An open descriptor of it, valid until {@link close}; absent for the process's own. */
  readonly fd?: number;

  links(): Promise<readonly Link[]>;
  findLink(which: WhichLink): Promise<Link | undefined>;
  /** As {@link findLink}, but a missing interface is an error. */
  link(which: WhichLink): Promise<Link>;
  /** Makes both ends; the peer may be born in another namespace. */
  createVeth(host: NewLink, peer: Omit<NewLink, "namespaceFd"> & { readonly namespace?: NetworkNamespace }): Promise<void>;
  /** A device that needs no more than its kind: `dummy`, `bridge`. */
  createLink(link: Omit<NewLink, "namespaceFd"> & { readonly kind: string }): Promise<void>;
  /**
   * Makes a tap device that nobody reads: it is there, down at first, for as long as this process lives, and the kernel removes it the moment that
   * it dies, however. Rejects with `EBUSY` while another process has one of that name.
   */
  holdTap(name: string): Promise<void>;
  /** A `namespace` moves the interface there. */
  setLink(which: WhichLink, change: LinkChange & { readonly namespace?: NetworkNamespace }): Promise<void>;
  renameLink(index: number, name: string): Promise<void>;
  addAlternativeName(index: number, name: string): Promise<void>;
  removeAlternativeName(index: number, name: string): Promise<void>;
  /** Whether there was one to delete. */
  deleteLink(which: WhichLink): Promise<boolean>;

  addresses(filter?: { readonly linkIndex?: number; readonly family?: Family }): Promise<readonly InterfaceAddress[]>;
  /** An address that is there already stays. */
  addAddress(request: AddressRequest): Promise<void>;
  deleteAddress(request: AddressRequest): Promise<boolean>;

  routes(filter: RouteFilter): Promise<readonly Route[]>;
  /** False, and nothing happened, when there is one of the same destination, table and metric. */
  addRoute(route: RouteRequest): Promise<boolean>;
  replaceRoute(route: RouteRequest): Promise<void>;
  deleteRoute(route: RouteRequest): Promise<boolean>;

  neighbours(filter?: { readonly family?: Family; readonly linkIndex?: number }): Promise<readonly Neighbour[]>;
  /** Makes or replaces a permanent entry. */
  replaceNeighbour(entry: { readonly linkIndex: number; readonly address: IpAddress; readonly mac: MacAddress }): Promise<void>;
  deleteNeighbour(entry: { readonly linkIndex: number; readonly address: IpAddress }): Promise<boolean>;

  /** `path` below /proc/sys with slashes, `net/ipv4/ip_forward`; undefined when this kernel has no such setting. */
  readSysctl(path: string): Promise<string | undefined>;
  writeSysctl(path: string, value: string): Promise<void>;

  getOffload(link: string, feature: OffloadFeature): Promise<boolean>;
  setOffload(link: string, feature: OffloadFeature, on: boolean): Promise<void>;

  /** Sends whole Ethernet frames out of an interface. */
  sendFrames(linkIndex: number, frames: readonly Uint8Array[]): Promise<void>;

  /** Tracked connections of the kernel; of both families without a filter. */
  conntrack(filter?: ConntrackFilter): Promise<readonly ConntrackEntry[]>;
  /** How many were deleted. */
  deleteConntrack(filter: ConntrackFilter): Promise<number>;

  /** How often nftables changed here, whoever did it: as long as the number stays, nothing has. */
  nftablesGeneration(): Promise<number>;
  /**
   * Changes elements of sets in one transaction, if nothing of nftables has changed since `generation`: else false, and nothing happened. Every block of an
   * interval set must end before the last address of its family.
   */
  changeSetElements(changes: readonly SetElementsChange[], options: { readonly generation: number }): Promise<boolean>;

  /** Hears of changes until the result is called. */
  watch(watched: readonly Watched[], onEvent: (event: NetworkEvent) => void): Promise<() => Promise<void>>;

  /** Gives descriptors back; the namespace itself stays as long as somebody else holds it. */
  close(): Promise<void>;
}

/** In-process access to the kernel's network configuration. */
export interface Netlink {
  /** The namespace the process was started in. */
  readonly home: NetworkNamespace;
  /** Opens a namespace by path (`/run/netns/x`, `/proc/42/ns/net`). Rejects with `NamespaceNotFound`. */
  open(path: string): Promise<NetworkNamespace>;
  /** Makes a namespace: bound at `path` until {@link remove}, or, without, gone when closed. */
  create(options?: { readonly path?: string }): Promise<NetworkNamespace>;
  /** Unbinds a namespace that {@link create} bound. */
  remove(path: string): Promise<void>;
  /** Ends the worker thread. Calls under way are finished first; later ones reject with `NetlinkClosed`. */
  close(): Promise<void>;
}
