import { addressMessage, decodeAddress, type InterfaceAddress } from "./address.ts";
import { decodeLink, type Link, linkMessage } from "./link.ts";
import { type Message, splitMessages } from "./message.ts";
import { decodeRoute, type Route, routeMessage } from "./route.ts";

/** Something in a namespace changed. After `overrun` notifications were lost: read everything again. */
export type NetworkEvent =
  | { readonly kind: "link"; readonly change: "new" | "deleted"; readonly link: Link }
  | { readonly kind: "address"; readonly change: "new" | "deleted"; readonly address: InterfaceAddress }
  | { readonly kind: "route"; readonly change: "new" | "deleted"; readonly route: Route }
  /** Some nftables object of some table: which is to be read. */
  | { readonly kind: "nftables" }
  | { readonly kind: "overrun" };

export type Watched = "link" | "address" | "route" | "nftables";

/** Which kernel protocol tells, and its multicast groups: RTMGRP_* bits, and NFNLGRP_NFTABLES (7) as one. */
const groups: Readonly<Record<Watched, { readonly protocol: WatchedProtocol; readonly bits: number }>> = {
  link: { protocol: "route", bits: 0x1 },
  address: { protocol: "route", bits: 0x10 | 0x100 },
  route: { protocol: "route", bits: 0x40 | 0x400 },
  nftables: { protocol: "netfilter", bits: 1 << 6 },
};

export type WatchedProtocol = "route" | "netfilter";

/** The groups to listen to, by protocol; a protocol that nothing is watched of is absent. */
export function groupBits(watched: readonly Watched[]): ReadonlyMap<WatchedProtocol, number> {
  const bits = new Map<WatchedProtocol, number>();
  for (const name of watched) bits.set(groups[name].protocol, (bits.get(groups[name].protocol) ?? 0) | groups[name].bits);
  return bits;
}

/** The events of one notification of rtnetlink; what cannot be read counts as an overrun. */
export function decodeEvents(chunk: Uint8Array): readonly NetworkEvent[] {
  const split = splitMessages(chunk);
  return split.ok ? split.value.map(decodeEvent) : [{ kind: "overrun" }];
}

function decodeEvent(message: Message): NetworkEvent {
  switch (message.type) {
    case linkMessage.new:
    case linkMessage.delete: {
      const decoded = decodeLink(message);
      if (decoded.ok) return { kind: "link", change: message.type === linkMessage.new ? "new" : "deleted", link: decoded.value };
      break;
    }
    case addressMessage.new:
    case addressMessage.delete: {
      const decoded = decodeAddress(message);
      if (decoded.ok) return { kind: "address", change: message.type === addressMessage.new ? "new" : "deleted", address: decoded.value };
      break;
    }
    case routeMessage.new:
    case routeMessage.delete: {
      const decoded = decodeRoute(message);
      if (decoded.ok) return { kind: "route", change: message.type === routeMessage.new ? "new" : "deleted", route: decoded.value };
      break;
    }
  }
  return { kind: "overrun" };
}
