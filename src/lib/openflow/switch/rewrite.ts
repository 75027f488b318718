import { internetChecksum } from "#lib/bytes/index.ts";
import { crc32c } from "#lib/packet/checksum.ts";
import { type Key, type WordValue, wordOf } from "./layout.ts";
import type { Packet } from "./packet.ts";
import { fragment, i32, protocols, u16 } from "./parse.ts";

const word = {
  ethDst: wordOf("eth_dst"),
  ethSrc: wordOf("eth_src"),
  ethType: wordOf("eth_type"),
  vlan: wordOf("vlan_tci"),
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
  ndTarget: wordOf("nd_target"),
  ndSll: wordOf("nd_sll"),
  ndTll: wordOf("nd_tll"),
  ndReserved: wordOf("nd_reserved"),
  ndOption: wordOf("nd_options_type"),
} as const;
const ports: { readonly [protocol: number]: readonly [source: number, destination: number] } = {
  [protocols.tcp]: [wordOf("tcp_src"), wordOf("tcp_dst")],
  [protocols.udp]: [wordOf("udp_src"), wordOf("udp_dst")],
  [protocols.sctp]: [wordOf("sctp_src"), wordOf("sctp_dst")],
};
const icmpTypes: { readonly [protocol: number]: readonly [type: number, code: number] } = {
  [protocols.icmp]: [wordOf("icmp_type"), wordOf("icmp_code")],
  [protocols.icmpv6]: [wordOf("icmpv6_type"), wordOf("icmpv6_code")],
};

/**
 * Writes field values into a packet. Checksums are corrected by what changed (RFC 1624), so that a wrong one stays as wrong as it was.
 * A field that the packet does not have is left alone.
 */
export function setFields(packet: Packet, values: readonly WordValue[]): void {
  const key = packet.fresh();
  const changed: number[] = [];
  for (const { word: at, value, mask } of values) {
    const now = ((key[at] as number) & ~mask) | value;
    if (now === key[at]) continue;
    key[at] = now;
    changed.push(at);
  }
  if (changed.length > 0) writeHeaders(packet, changed);
}

/** Makes the bytes agree with the key, in the order in which Open vSwitch's actions would. */
function writeHeaders(packet: Packet, changed: readonly number[]): void {
  const { key, l3, l4 } = packet;
  if (packet.bytes.length < 14) return;
  writeMac(packet, 0, key, word.ethDst);
  writeMac(packet, 6, key, word.ethSrc);
  const type = key[word.ethType];
  const protocol = key[word.protocol] ?? 0;
  if (type === 0x0806 && (key[word.arpOp] as number) !== 0) writeArp(packet, changed);
  if (l4 >= 0 && protocol !== 0) {
    if (type === 0x0800) writeIpv4(packet, l3);
    if (type === 0x86dd) {
      writeIpv6(packet, l3);
      if (protocol === protocols.icmpv6) writeNeighbor(packet, l4, changed);
    }
    if (((key[word.frag] as number) & fragment.later) === 0) {
      const portWords = ports[protocol];
      if (portWords !== undefined) setPorts(packet, protocol, key[portWords[0]] as number, key[portWords[1]] as number);
      const typeWords = icmpTypes[protocol];
      if (typeWords !== undefined) setIcmpType(packet, key[typeWords[0]] as number, key[typeWords[1]] as number);
    }
  }
  writeVlan(packet);
}

export function put16(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 8;
  bytes[at + 1] = value;
}

function put32(bytes: Uint8Array, at: number, value: number): void {
  put16(bytes, at, value >>> 16);
  put16(bytes, at + 2, value & 0xffff);
}

/** The checksum after a 16-bit word that it covers went from `before` to `after`. */
export function corrected(checksum: number, before: number, after: number): number {
  let sum = (~checksum & 0xffff) + (~before & 0xffff) + after;
  sum = (sum & 0xffff) + (sum >>> 16);
  sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

function corrected32(checksum: number, before: number, after: number): number {
  return corrected(corrected(checksum, before >>> 16, after >>> 16), before & 0xffff, after & 0xffff);
}

function writeMac(packet: Packet, at: number, key: Key, from: number): void {
  if (u16(packet.bytes, at) === key[from] && i32(packet.bytes, at + 2) === key[from + 1]) return;
  const bytes = packet.own();
  put16(bytes, at, key[from] as number);
  put32(bytes, at + 2, key[from + 1] as number);
}

/** Only what changed is written: of a packet that is no ARP for IPv4 the key holds nothing. */
function writeArp(packet: Packet, changed: readonly number[]): void {
  const { key, l3 } = packet;
  const size = packet.bytes.length - l3;
  const has = (at: number, end: number): boolean => changed.includes(at) && size >= end;
  if (has(word.arpOp, 8)) put16(packet.own(), l3 + 6, key[word.arpOp] as number);
  if (has(word.arpSha, 14) || has(word.arpSha + 1, 14)) writeMac(packet, l3 + 8, key, word.arpSha);
  if (has(word.arpSpa, 18)) put32(packet.own(), l3 + 14, key[word.arpSpa] as number);
  if (has(word.arpTha, 24) || has(word.arpTha + 1, 24)) writeMac(packet, l3 + 18, key, word.arpTha);
  if (has(word.arpTpa, 28)) put32(packet.own(), l3 + 24, key[word.arpTpa] as number);
}

function writeIpv4(packet: Packet, at: number): void {
  const { key } = packet;
  setIpv4Address(packet, at, "source", key[word.ipSrc] as number);
  setIpv4Address(packet, at, "destination", key[word.ipDst] as number);
  const tos = key[word.tos] as number;
  const ttl = key[word.ttl] as number;
  const before = packet.bytes;
  if (before[at + 1] === tos && before[at + 8] === ttl) return;
  const bytes = packet.own();
  put16(bytes, at + 10, corrected(u16(bytes, at + 10), bytes[at + 1] as number, tos));
  put16(bytes, at + 10, corrected(u16(bytes, at + 10), (bytes[at + 8] as number) << 8, ttl << 8));
  bytes[at + 1] = tos;
  bytes[at + 8] = ttl;
}

/** Offset of the transport checksum that covers the addresses of the packet whose headers start at `l4`; undefined when there is none. */
function coveringChecksum(bytes: Uint8Array, protocol: number, l4: number, end: number): number | undefined {
  if (protocol === protocols.tcp && end - l4 >= 20) return l4 + 16;
  // A UDP checksum of zero is none.
  if (protocol === protocols.udp && end - l4 >= 8) return u16(bytes, l4 + 6) === 0 ? undefined : l4 + 6;
  return undefined;
}

function correctTransport(bytes: Uint8Array, protocol: number, at: number, before: number, after: number): void {
  const checksum = corrected32(u16(bytes, at), before, after);
  put16(bytes, at, checksum === 0 && protocol === protocols.udp ? 0xffff : checksum);
}

/** Writes an address of the IPv4 header at `at`, whose payload is at `l4` (default the packet's own). */
export function setIpv4Address(
  packet: Packet,
  at: number,
  side: "source" | "destination",
  address: number,
  { l4, end }: { readonly l4: number; readonly end: number } = packet,
): void {
  const place = at + (side === "source" ? 12 : 16);
  const before = i32(packet.bytes, place);
  if (before === address) return;
  const bytes = packet.own();
  const protocol = bytes[at + 9] as number;
  const checksum = coveringChecksum(bytes, protocol, l4, end);
  if (checksum !== undefined) correctTransport(bytes, protocol, checksum, before, address);
  put16(bytes, at + 10, corrected32(u16(bytes, at + 10), before, address));
  put32(bytes, place, address);
  packet.connection = undefined;
}

function writeIpv6(packet: Packet, at: number): void {
  const { key } = packet;
  const routing = routingAhead(packet, at);
  setIpv6Address(packet, at, "source", key.subarray(word.ipv6Src, word.ipv6Src + 4), {
    protocol: routing.protocol,
    covered: routing.covered,
  });
  setIpv6Address(packet, at, "destination", key.subarray(word.ipv6Dst, word.ipv6Dst + 4), {
    protocol: routing.protocol,
    covered: routing.covered && !routing.present,
  });
  const first = (6 << 28) | ((key[word.tos] as number) << 20) | (key[word.label] as number);
  const version = (i32(packet.bytes, at) & (0xf << 28)) | (first & 0x0fff_ffff);
  if (i32(packet.bytes, at) === version && packet.bytes[at + 7] === key[word.ttl]) return;
  const bytes = packet.own();
  put32(bytes, at, version);
  bytes[at + 7] = key[word.ttl] as number;
}

/** Whether transport checksums cover the addresses: not in later fragments, and the destination not before a routing header's last hop. */
function routingAhead(
  { bytes, end }: Packet,
  at: number,
): { readonly protocol: number; readonly covered: boolean; readonly present: boolean } {
  let protocol = bytes[at + 6] as number;
  let covered = true;
  for (let place = at + 40; end - place >= 8; ) {
    if (protocol === 43 && (bytes[place + 3] as number) > 0) return { protocol, covered, present: true };
    if (protocol === 44) {
      const offset = u16(bytes, place + 2);
      covered = (offset & 0xfff8) === 0 && (offset & 1) === 1;
    } else if (protocol !== 0 && protocol !== 43 && protocol !== 60 && protocol !== 51) break;
    const length = protocol === 44 ? 8 : protocol === 51 ? ((bytes[place + 1] as number) + 2) * 4 : ((bytes[place + 1] as number) + 1) * 8;
    protocol = bytes[place] as number;
    place += length;
  }
  return { protocol, covered, present: false };
}

interface Coverage {
  readonly protocol: number;
  readonly covered: boolean;
  readonly l4?: number;
  readonly end?: number;
}

/** Writes an address of the IPv6 header at `at`. */
export function setIpv6Address(
  packet: Packet,
  at: number,
  side: "source" | "destination",
  address: ArrayLike<number>,
  { protocol, covered, l4 = packet.l4, end = packet.end }: Coverage,
): void {
  const place = at + (side === "source" ? 8 : 24);
  for (let index = 0; index < 4; index++) {
    const before = i32(packet.bytes, place + 4 * index);
    const after = address[index] as number;
    if (before === after) continue;
    const bytes = packet.own();
    const checksum = protocol === protocols.icmpv6 && end - l4 >= 4 ? l4 + 2 : coveringChecksum(bytes, protocol, l4, end);
    if (covered && checksum !== undefined) correctTransport(bytes, protocol, checksum, before, after);
    put32(bytes, place + 4 * index, after);
    packet.connection = undefined;
  }
}

const neighborWords = new Set([
  ...[0, 1, 2, 3].map((index) => word.ndTarget + index),
  word.ndSll,
  word.ndSll + 1,
  word.ndTll,
  word.ndTll + 1,
]);

/** Flags and type of the first option with a checksum made anew, then target and address of the option that has one. */
function writeNeighbor(packet: Packet, at: number, changed: readonly number[]): void {
  const { key, end, l3 } = packet;
  const type = packet.bytes[at];
  if (end - at < 24 || packet.bytes[at + 1] !== 0 || (type !== 135 && type !== 136)) return;
  // Without an option Open vSwitch writes its type all the same: into the padding, where there is some.
  const hasRoom = packet.bytes.length > at + 24;
  const option = key[word.ndOption] as number;
  if (changed.includes(word.ndReserved) || changed.includes(word.ndOption)) {
    const bytes = packet.own();
    put32(bytes, at + 4, key[word.ndReserved] as number);
    if (hasRoom) bytes[at + 24] = option;
    put16(bytes, at + 2, 0);
    put16(bytes, at + 2, icmpv6Checksum(bytes, l3, at, end));
  }
  if (!changed.some((each) => neighborWords.has(each))) return;
  for (let index = 0; index < 4; index++) {
    const before = i32(packet.bytes, at + 8 + 4 * index);
    const after = key[word.ndTarget + index] as number;
    // The key of a message that says an address twice holds nothing of it.
    if (before === after || !changed.includes(word.ndTarget + index)) continue;
    const bytes = packet.own();
    put16(bytes, at + 2, corrected32(u16(bytes, at + 2), before, after));
    put32(bytes, at + 8 + 4 * index, after);
    packet.connection = undefined;
  }
  for (let place = at + 24; end - place >= 8 && packet.bytes[place + 1] !== 0; place += 8 * (packet.bytes[place + 1] as number)) {
    const kind = packet.bytes[place];
    if ((kind !== 1 && kind !== 2) || packet.bytes[place + 1] !== 1) continue;
    const from = kind === 1 ? word.ndSll : word.ndTll;
    const before = [u16(packet.bytes, place + 2), u16(packet.bytes, place + 4), u16(packet.bytes, place + 6)];
    writeMac(packet, place + 2, key, from);
    let checksum = u16(packet.bytes, at + 2);
    for (const [index, old] of before.entries()) checksum = corrected(checksum, old, u16(packet.bytes, place + 2 + 2 * index));
    if (checksum !== u16(packet.bytes, at + 2)) put16(packet.own(), at + 2, checksum);
    return;
  }
}

/** The checksum of the ICMPv6 message at `l4` under the header at `l3`; its checksum field counts as it is. */
export function icmpv6Checksum(bytes: Uint8Array, l3: number, l4: number, end: number): number {
  return internetChecksum(bytes.subarray(l4, end), pseudoSum6(bytes, l3, protocols.icmpv6, end - l4));
}

/** The folded sum of the pseudo-header under which transport checksums of IPv6 start. */
export function pseudoSum6(bytes: Uint8Array, l3: number, protocol: number, length: number): number {
  let sum = protocol + (length & 0xffff) + (length >>> 16);
  for (let at = l3 + 8; at < l3 + 40; at += 2) sum += u16(bytes, at);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return sum;
}

export function pseudoSum4(bytes: Uint8Array, l3: number, protocol: number, length: number): number {
  let sum = protocol + length;
  for (let at = l3 + 12; at < l3 + 20; at += 2) sum += u16(bytes, at);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return sum;
}

/** Writes both ports of the transport header at `l4`, by default the packet's own. */
export function setPorts(
  packet: Packet,
  protocol: number,
  source: number,
  destination: number,
  { l4: at, end, inner = false }: { readonly l4: number; readonly end: number; readonly inner?: boolean } = packet,
): void {
  const smallest = protocol === protocols.tcp ? 20 : protocol === protocols.udp ? 8 : 12;
  if (at < 0 || end - at < (inner ? 4 : smallest)) return;
  if (protocol === protocols.tcp && !inner) {
    const header = ((packet.bytes[at + 12] as number) >>> 4) * 4;
    if (header < 20 || header > end - at) return;
  }
  const oldSource = u16(packet.bytes, at);
  const oldDestination = u16(packet.bytes, at + 2);
  if (oldSource === source && oldDestination === destination) return;
  const bytes = packet.own();
  packet.connection = undefined;
  if (protocol === protocols.sctp) {
    const stated = i32(bytes, at + 8);
    put32(bytes, at + 8, 0);
    const right = swap32(crc32c(bytes.subarray(at, end)));
    put16(bytes, at, source);
    put16(bytes, at + 2, destination);
    put32(bytes, at + 8, stated ^ right ^ swap32(crc32c(bytes.subarray(at, end))));
    return;
  }
  put16(bytes, at, source);
  put16(bytes, at + 2, destination);
  const checksumAt = at + (protocol === protocols.tcp ? 16 : 6);
  if (checksumAt + 2 > end || (protocol === protocols.udp && u16(bytes, checksumAt) === 0)) return;
  const checksum = corrected(corrected(u16(bytes, checksumAt), oldSource, source), oldDestination, destination);
  put16(bytes, checksumAt, checksum === 0 && protocol === protocols.udp ? 0xffff : checksum);
}

const swap32 = (value: number): number => ((value & 0xff) << 24) | ((value & 0xff00) << 8) | ((value >>> 8) & 0xff00) | (value >>> 24);

function setIcmpType(packet: Packet, type: number, code: number): void {
  const { l4: at, end } = packet;
  if (end - at < 8 || (packet.bytes[at] === type && packet.bytes[at + 1] === code)) return;
  const bytes = packet.own();
  put16(bytes, at + 2, corrected(u16(bytes, at + 2), u16(bytes, at), (type << 8) | code));
  bytes[at] = type;
  bytes[at + 1] = code;
  packet.connection = undefined;
}

const present = 0x1000;

/** Puts a tag on, takes it off or changes it, as `vlan_tci` says. */
function writeVlan(packet: Packet): void {
  const wanted = packet.key[word.vlan] as number;
  const tag = u16(packet.bytes, 12);
  const tagged = (tag === 0x8100 || tag === 0x88a8) && packet.bytes.length >= 18;
  if ((wanted & present) === 0) {
    if (tagged && packet.l3 >= 18) removeTag(packet);
    return;
  }
  if (!tagged) {
    insertTag(packet, 0x8100, wanted);
    return;
  }
  // The bit that says there is a tag is the drop-eligible bit in the frame: it is sent as zero.
  const control = wanted & ~present;
  if ((u16(packet.bytes, 14) & ~present) !== control) put16(packet.own(), 14, control);
}

/** Puts a tag in front of what the frame carries. */
export function insertTag(packet: Packet, tagType: number, control: number): void {
  const { bytes } = packet;
  const longer = new Uint8Array(bytes.length + 4);
  longer.set(bytes.subarray(0, 12));
  put16(longer, 12, tagType);
  put16(longer, 14, control & ~present);
  longer.set(bytes.subarray(12), 16);
  replaceBytes(packet, longer, 4);
}

/** Takes the outermost tag off. */
export function removeTag(packet: Packet): void {
  const { bytes } = packet;
  const shorter = new Uint8Array(bytes.length - 4);
  shorter.set(bytes.subarray(0, 12));
  shorter.set(bytes.subarray(16), 12);
  replaceBytes(packet, shorter, -4);
}

function replaceBytes(packet: Packet, bytes: Uint8Array, shift: number): void {
  packet.bytes = bytes;
  packet.shared = false;
  packet.l3 += shift;
  if (packet.l4 >= 0) packet.l4 += shift;
  packet.end += shift;
}
