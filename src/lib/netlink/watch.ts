import { addressMessage, decodeAddress, type InterfaceAddress } from "./address.ts";
import { decodeLink, type Link, linkMessage } from "./link.ts";
import { type Message, splitMessages } from "./message.ts";
import { decodeRoute, type Route, routeMessage } from "./route.ts";

/** Something in a namespace changed. After `overrun` notifications were lost: read everything again. */
export type NetworkEvent =
  | { readonly kind: "link"; readonly change: "new" | "deleted"; readonly link: Link }
  | { readonly kind: "address"; readonly change: "new" | "deleted"; readonly address: InterfaceAddress }
  | { readonly kind: "route"; readonly change: "new" | "deleted"; readonly route: Route }
  | { readonly kind: "overrun" };

export type Watched = "link" | "address" | "route";

/** RTMGRP_* bits. */
const groups: Readonly<Record<Watched, number>> = { link: 0x1, address: 0x10 | 0x100, route: 0x40 | 0x400 };

export function groupBits(watched: readonly Watched[]): number {
  return watched.reduce((bits, name) => bits | groups[name], 0);
}

/** The events of one notification; what cannot be read counts as an overrun. */
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
