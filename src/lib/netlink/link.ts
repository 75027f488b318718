import { MacAddress } from "#lib/ip/mac.ts";
import { type Attributes, type Decoded, decodeAttributes, flag, type Message, MessageWriter, textOf, viewOf } from "./message.ts";

/** A network interface, as one RTM_NEWLINK tells of it. */
export interface Link {
  readonly index: number;
  readonly name: string;
  readonly alternativeNames: readonly string[];
  /** `veth`, `dummy`, `openvswitch`, `tun`, …; absent for plain devices. */
  readonly kind?: string;
  readonly mac?: MacAddress;
  readonly mtu: number;
  /** Set up by an administrator (IFF_UP). */
  readonly up: boolean;
  readonly loopback: boolean;
  /** Carrier is there (IFF_LOWER_UP). */
  readonly carrier: boolean;
  /** Interface index of the other end (veth) or lower device, in its own namespace. */
  readonly peerIndex?: number;
  /** Index of the device this one is a port of. */
  readonly masterIndex?: number;
}

/** What can be changed on an interface. */
export interface LinkChange {
  readonly up?: boolean;
  readonly mtu?: number;
  readonly mac?: MacAddress;
  /** Interface group (`ip link set group`), by which nftables matches many at once (`iifgroup`). */
  readonly group?: number;
}

/** Which interface: by name (alternative names count too) or by index. */
export type WhichLink = { readonly name: string } | { readonly index: number };

export const linkMessage = { new: 16, delete: 17, get: 18, set: 19, newProperty: 108, deleteProperty: 109 } as const;

const ifla = {
  address: 1,
  name: 3,
  mtu: 4,
  link: 5,
  master: 10,
  linkInfo: 18,
  group: 27,
  extensionMask: 29,
  namespaceFd: 28,
  propertyList: 52,
  alternativeName: 53,
} as const;
const linkInfo = { kind: 1, data: 2 } as const;
const vethPeer = 1;
const iff = { up: 0x1, loopback: 0x8, lowerUp: 0x10000 } as const;
/** RTEXT_FILTER_SKIP_STATS: leave the counters out, which are most of the bytes. */
const skipStatistics = 0x8;
const interfaceStructBytes = 16;

export function encodeGetLinks(): Uint8Array {
  return interfaceStruct(new MessageWriter(linkMessage.get, flag.dump), {}).attributeUint32(ifla.extensionMask, skipStatistics).result();
}

export function encodeGetLink(which: WhichLink): Uint8Array {
  const writer = interfaceStruct(new MessageWriter(linkMessage.get, flag.ack), "index" in which ? which : {});
  if ("name" in which) nameOf(writer, which.name);
  return writer.attributeUint32(ifla.extensionMask, skipStatistics).result();
}

/** An interface to be made. `namespaceFd` is an open descriptor of the namespace it shall live in; without, the socket's own. */
export interface NewLink extends LinkChange {
  readonly name: string;
  readonly namespaceFd?: number;
}

export function encodeCreateVeth(host: NewLink, peer: NewLink): Uint8Array {
  const writer = new MessageWriter(linkMessage.new, flag.ack | flag.create | flag.exclusive);
  interfaceStruct(writer, host);
  newLinkAttributes(writer, host);
  writer.nested(ifla.linkInfo, () => {
    writer.attributeText(linkInfo.kind, "veth");
    writer.nested(linkInfo.data, () => {
      writer.nested(vethPeer, () => {
        // The peer is made first, and cannot be up before its other end is there (veth_open answers ENOTCONN).
        interfaceStruct(writer, {});
        newLinkAttributes(writer, peer);
      });
    });
  });
  return writer.result();
}

/** A device of a kind that needs no data of its own: `dummy`, `bridge`. */
export function encodeCreateLink(link: NewLink & { readonly kind: string }): Uint8Array {
  const writer = interfaceStruct(new MessageWriter(linkMessage.new, flag.ack | flag.create | flag.exclusive), link);
  newLinkAttributes(writer, link);
  return writer.nested(ifla.linkInfo, () => writer.attributeText(linkInfo.kind, link.kind)).result();
}

/** `namespaceFd` moves the interface there. */
export function encodeSetLink(which: WhichLink, change: LinkChange & { readonly namespaceFd?: number }): Uint8Array {
  const writer = interfaceStruct(new MessageWriter(linkMessage.new, flag.ack), { ...("index" in which ? which : {}), ...change });
  if ("name" in which) nameOf(writer, which.name);
  linkAttributes(writer, change);
  return writer.result();
}

export function encodeRenameLink(index: number, name: string): Uint8Array {
  return interfaceStruct(new MessageWriter(linkMessage.new, flag.ack), { index }).attributeText(ifla.name, name).result();
}

export function encodeDeleteLink(which: WhichLink): Uint8Array {
  const writer = interfaceStruct(new MessageWriter(linkMessage.delete, flag.ack), "index" in which ? which : {});
  if ("name" in which) nameOf(writer, which.name);
  return writer.result();
}

export function encodeAlternativeName(index: number, name: string, action: "add" | "remove"): Uint8Array {
  const type = action === "add" ? linkMessage.newProperty : linkMessage.deleteProperty;
  const flags = action === "add" ? flag.ack | flag.create | flag.exclusive : flag.ack;
  const writer = interfaceStruct(new MessageWriter(type, flags), { index });
  return writer.nested(ifla.propertyList, () => writer.attributeText(ifla.alternativeName, name)).result();
}

/** Longest name the classic attribute carries (IFNAMSIZ less its zero); longer ones are alternative names. */
const longestName = 15;

function nameOf(writer: MessageWriter, name: string): void {
  writer.attributeText(name.length > longestName ? ifla.alternativeName : ifla.name, name);
}

function newLinkAttributes(writer: MessageWriter, end: NewLink): void {
  writer.attributeText(ifla.name, end.name);
  linkAttributes(writer, end);
}

function linkAttributes(writer: MessageWriter, change: LinkChange & { readonly namespaceFd?: number }): void {
  if (change.mac !== undefined) writer.attribute(ifla.address, change.mac.bytes());
  if (change.mtu !== undefined) writer.attributeUint32(ifla.mtu, change.mtu);
  if (change.group !== undefined) writer.attributeUint32(ifla.group, change.group);
  if (change.namespaceFd !== undefined) writer.attributeUint32(ifla.namespaceFd, change.namespaceFd);
}

/** `struct ifinfomsg`: family, padding, type, index, flags, mask of the flags to change. */
function interfaceStruct(writer: MessageWriter, link: { readonly index?: number; readonly up?: boolean }): MessageWriter {
  writer.uint8(0).uint8(0).uint16(0);
  writer.uint32(link.index ?? 0);
  return writer.uint32(link.up ? iff.up : 0).uint32(link.up === undefined ? 0 : iff.up);
}

export function decodeLink({ payload }: Message): Decoded<Link> {
  if (payload.length < interfaceStructBytes) return { ok: false, reason: `link message of ${payload.length} bytes` };
  const decoded = decodeAttributes(payload.subarray(interfaceStructBytes));
  if (!decoded.ok) return decoded;
  const attributes = decoded.value;
  const view = viewOf(payload);
  const flags = view.getUint32(8, true);
  const kind = attributes.nested(ifla.linkInfo).text(linkInfo.kind);
  const mac = attributes.bytes(ifla.address);
  const peerIndex = attributes.uint32(ifla.link);
  const masterIndex = attributes.uint32(ifla.master);
  return {
    ok: true,
    value: {
      index: view.getUint32(4, true),
      name: attributes.text(ifla.name) ?? "",
      alternativeNames: alternativeNames(attributes),
      mtu: attributes.uint32(ifla.mtu) ?? 0,
      up: (flags & iff.up) !== 0,
      loopback: (flags & iff.loopback) !== 0,
      carrier: (flags & iff.lowerUp) !== 0,
      ...(kind === undefined ? {} : { kind }),
      ...(mac?.length === 6 ? { mac: MacAddress.fromBytes(mac) } : {}),
      ...(peerIndex === undefined ? {} : { peerIndex }),
      ...(masterIndex === undefined ? {} : { masterIndex }),
    },
  };
}

function alternativeNames(attributes: Attributes): string[] {
  return attributes
    .nested(ifla.propertyList)
    .list.filter(({ type }) => type === ifla.alternativeName)
    .map(({ payload }) => textOf(payload));
}
