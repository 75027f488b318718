import { firstHeaderWord, type Key, wordOf } from "./layout.ts";
import type { Packet } from "./packet.ts";

const word = {
  ethDst: wordOf("eth_dst"),
  ethSrc: wordOf("eth_src"),
  ethType: wordOf("eth_type"),
  vlan: wordOf("vlan_tci"),
  mplsLabel: wordOf("mpls_label"),
  mplsTc: wordOf("mpls_tc"),
  mplsBos: wordOf("mpls_bos"),
  mplsTtl: wordOf("mpls_ttl"),
  ipSrc: wordOf("ip_src"),
  ipDst: wordOf("ip_dst"),
  ipv6Src: wordOf("ipv6_src"),
  ipv6Dst: wordOf("ipv6_dst"),
  label: wordOf("ipv6_label"),
  protocol: wordOf("ip_proto"),
  tos: wordOf("nw_tos"),
  ttl: wordOf("nw_ttl"),
  frag: wordOf("ip_frag"),
  arpOp: wordOf("arp_op"),
  arpSpa: wordOf("arp_spa"),
  arpTpa: wordOf("arp_tpa"),
  arpSha: wordOf("arp_sha"),
  arpTha: wordOf("arp_tha"),
  tcpSrc: wordOf("tcp_src"),
  tcpDst: wordOf("tcp_dst"),
  tcpFlags: wordOf("tcp_flags"),
  udpSrc: wordOf("udp_src"),
  udpDst: wordOf("udp_dst"),
  sctpSrc: wordOf("sctp_src"),
  sctpDst: wordOf("sctp_dst"),
  icmpType: wordOf("icmp_type"),
  icmpCode: wordOf("icmp_code"),
  icmpv6Type: wordOf("icmpv6_type"),
  icmpv6Code: wordOf("icmpv6_code"),
  ndTarget: wordOf("nd_target"),
  ndSll: wordOf("nd_sll"),
  ndTll: wordOf("nd_tll"),
  ndReserved: wordOf("nd_reserved"),
  ndOption: wordOf("nd_options_type"),
} as const;

export const protocols = { icmp: 1, tcp: 6, udp: 17, icmpv6: 58, sctp: 132 } as const;
/** Bits of `ip_frag`: part of a fragmented packet, and not its first part. */
export const fragment = { any: 1, later: 2 } as const;
/** What `eth_type` is for frames that carry no EtherType (OFP_DL_TYPE_NOT_ETH_TYPE). */
const noEtherType = 0x05ff;

export const u16 = (bytes: Uint8Array, at: number): number => ((bytes[at] as number) << 8) | (bytes[at + 1] as number);
export const i32 = (bytes: Uint8Array, at: number): number => (u16(bytes, at) << 16) | u16(bytes, at + 2);

/**
 * Fills the header words of a packet's key, its offsets and end, as Open vSwitch's flow extraction reads them: a header that is not whole
 * gives no fields, and what follows it neither. Never throws.
 */
export function parseHeaders(packet: Packet): void {
  const { bytes, key } = packet;
  key.fill(0, firstHeaderWord);
  packet.l3 = -1;
  packet.l4 = -1;
  packet.end = bytes.length;
  if (bytes.length < 14) return;
  readMac(key, word.ethDst, bytes, 0);
  readMac(key, word.ethSrc, bytes, 6);
  let at = 12;
  const tag = u16(bytes, at);
  // One tag is looked into, as with the default of Open vSwitch's `vlan-limit`.
  if ((tag === 0x8100 || tag === 0x88a8) && bytes.length - at >= 6) {
    key[word.vlan] = u16(bytes, at + 2) | 0x1000;
    at += 4;
  }
  let type = u16(bytes, at);
  at += 2;
  if (type < 0x600) {
    const snap = bytes.length - at >= 8 && i32(bytes, at) === (0xaaaa0300 | 0) && u16(bytes, at + 4) === 0;
    type = snap && u16(bytes, at + 6) >= 0x600 ? u16(bytes, at + 6) : noEtherType;
    if (snap) at += 8;
  }
  key[word.ethType] = type;
  if (type === 0x8847 || type === 0x8848) at = readMpls(key, bytes, at);
  packet.l3 = at;
  if (type === 0x0800) readIpv4(packet, at);
  else if (type === 0x86dd) readIpv6(packet, at);
  else if (type === 0x0806 || type === 0x8035) readArp(key, bytes, at);
}

export function readMac(key: Key, at: number, bytes: Uint8Array, from: number): void {
  key[at] = u16(bytes, from);
  key[at + 1] = i32(bytes, from + 2);
}

function readMpls(key: Key, bytes: Uint8Array, start: number): number {
  let at = start;
  for (let count = 0; at + 4 <= bytes.length; count++) {
    const entry = i32(bytes, at);
    if (count === 0) {
      key[word.mplsLabel] = entry >>> 12;
      key[word.mplsTc] = (entry >>> 9) & 7;
      key[word.mplsBos] = (entry >>> 8) & 1;
      key[word.mplsTtl] = entry & 0xff;
    }
    at += 4;
    if (entry & 0x100) break;
  }
  return at;
}

function readIpv4(packet: Packet, at: number): void {
  const { bytes, key } = packet;
  const size = bytes.length - at;
  if (size < 20) return;
  const header = ((bytes[at] as number) & 0xf) * 4;
  const total = u16(bytes, at + 2);
  if (header < 20 || size < header || total > size || header > total) return;
  packet.end = at + total;
  key[word.ipSrc] = i32(bytes, at + 12);
  key[word.ipDst] = i32(bytes, at + 16);
  const offset = u16(bytes, at + 6);
  const frag = offset & 0x3fff ? fragment.any | (offset & 0x1fff ? fragment.later : 0) : 0;
  packet.l4 = at + header;
  readTransport(packet, { protocol: bytes[at + 9] as number, frag, tos: bytes[at + 1] as number, ttl: bytes[at + 8] as number });
}

function readIpv6(packet: Packet, at: number): void {
  const { bytes, key } = packet;
  if (bytes.length - at < 40) return;
  const length = u16(bytes, at + 4);
  if (length + 40 > bytes.length - at) return;
  packet.end = at + 40 + length;
  for (let index = 0; index < 4; index++) {
    key[word.ipv6Src + index] = i32(bytes, at + 8 + 4 * index);
    key[word.ipv6Dst + index] = i32(bytes, at + 24 + 4 * index);
  }
  const extensions = skipExtensions(bytes, at + 40, packet.end, bytes[at + 6] as number);
  if (extensions === undefined) return;
  const first = i32(bytes, at);
  key[word.label] = first & 0xfffff;
  packet.l4 = extensions.at;
  readTransport(packet, { ...extensions, tos: (first >>> 20) & 0xff, ttl: bytes[at + 7] as number });
}

/** Where the extension headers of an IPv6 packet end. */
export interface ExtensionsEnd {
  readonly at: number;
  /** What follows; 44 for later fragments. */
  readonly protocol: number;
  /** Bits of {@link fragment}. */
  readonly frag: number;
  /** Offset of the fragment header that was met. */
  readonly fragmentAt?: number;
}

/** Passes over IPv6 extension headers. Undefined when one is cut short. */
export function skipExtensions(bytes: Uint8Array, start: number, end: number, first: number): ExtensionsEnd | undefined {
  let at = start;
  let protocol = first;
  let frag = 0;
  let fragmentAt: number | undefined;
  while (protocol === 0 || protocol === 43 || protocol === 60 || protocol === 51 || protocol === 44) {
    if (end - at < 8) return undefined;
    const length = protocol === 44 ? 8 : protocol === 51 ? ((bytes[at + 1] as number) + 2) * 4 : ((bytes[at + 1] as number) + 1) * 8;
    if (end - at < length) return undefined;
    if (protocol === 44) {
      fragmentAt = at;
      const offset = u16(bytes, at + 2);
      if (offset !== 0) frag = fragment.any;
      if ((offset & 0xfff8) !== 0) return { at: at + 8, protocol: 44, frag: fragment.any | fragment.later, fragmentAt };
    }
    protocol = bytes[at] as number;
    at += length;
  }
  return fragmentAt === undefined ? { at, protocol, frag } : { at, protocol, frag, fragmentAt };
}

interface NetworkPart {
  readonly protocol: number;
  readonly frag: number;
  readonly tos: number;
  readonly ttl: number;
}

function readTransport(packet: Packet, { protocol, frag, tos, ttl }: NetworkPart): void {
  const { bytes, key, l4: at, end } = packet;
  key[word.protocol] = protocol;
  key[word.frag] = frag;
  key[word.tos] = tos;
  key[word.ttl] = ttl;
  if (frag & fragment.later) return;
  const size = end - at;
  switch (protocol) {
    case protocols.tcp: {
      if (size < 20) return;
      const header = ((bytes[at + 12] as number) >>> 4) * 4;
      if (header < 20 || size < header) return;
      key[word.tcpSrc] = u16(bytes, at);
      key[word.tcpDst] = u16(bytes, at + 2);
      key[word.tcpFlags] = u16(bytes, at + 12) & 0xfff;
      return;
    }
    case protocols.udp:
      if (size < 8) return;
      key[word.udpSrc] = u16(bytes, at);
      key[word.udpDst] = u16(bytes, at + 2);
      return;
    case protocols.sctp:
      if (size < 12) return;
      key[word.sctpSrc] = u16(bytes, at);
      key[word.sctpDst] = u16(bytes, at + 2);
      return;
    case protocols.icmp:
      if (size < 8) return;
      key[word.icmpType] = bytes[at] as number;
      key[word.icmpCode] = bytes[at + 1] as number;
      return;
    case protocols.icmpv6:
      if (size < 8) return;
      key[word.icmpv6Type] = bytes[at] as number;
      key[word.icmpv6Code] = bytes[at + 1] as number;
      if (bytes[at + 1] === 0 && (bytes[at] === 135 || bytes[at] === 136)) readNeighbor(key, bytes, at, end);
  }
}

function readNeighbor(key: Key, bytes: Uint8Array, start: number, end: number): void {
  key[word.ndReserved] = i32(bytes, start + 4);
  if (end - start < 24) return;
  for (let index = 0; index < 4; index++) key[word.ndTarget + index] = i32(bytes, start + 8 + 4 * index);
  const isSet = (at: number): boolean => key[at] !== 0 || key[at + 1] !== 0;
  for (let at = start + 24; end - at >= 8; ) {
    const type = bytes[at] as number;
    const length = (bytes[at + 1] as number) * 8;
    if (length === 0 || length > end - at) return;
    if (length === 8 && (type === 1 || type === 2)) {
      const place = type === 1 ? word.ndSll : word.ndTll;
      if (isSet(place)) {
        // The same option twice: none of it counts but the flags and the type.
        key.fill(0, word.ndTarget, word.ndTarget + 4);
        key.fill(0, word.ndSll, word.ndSll + 2);
        key.fill(0, word.ndTll, word.ndTll + 2);
        return;
      }
      readMac(key, place, bytes, at + 2);
      if (key[word.ndOption] === 0) key[word.ndOption] = type;
    }
    at += length;
  }
}

function readArp(key: Key, bytes: Uint8Array, at: number): void {
  if (bytes.length - at < 28) return;
  if (u16(bytes, at) !== 1 || u16(bytes, at + 2) !== 0x0800 || bytes[at + 4] !== 6 || bytes[at + 5] !== 4) return;
  const operation = u16(bytes, at + 6);
  // Open vSwitch keeps eight bits of it; a larger one counts as none.
  if (operation <= 0xff) key[word.arpOp] = operation;
  key[word.arpSpa] = i32(bytes, at + 14);
  key[word.arpTpa] = i32(bytes, at + 24);
  readMac(key, word.arpSha, bytes, at + 8);
  readMac(key, word.arpTha, bytes, at + 18);
}
