import { internetChecksum } from "#lib/bytes/index.ts";
import { wordOf } from "../layout.ts";
import type { Packet } from "../packet.ts";
import { i32, protocols, skipExtensions, u16 } from "../parse.ts";
import { pseudoSum4, pseudoSum6 } from "../rewrite.ts";
import { type Endpoint, reversed, type Tuple } from "./connection.ts";

const etherTypeWord = wordOf("eth_type");

/** What a packet is for the tracker. */
export interface TrackedTuple {
  readonly tuple: Tuple;
  /** The packet is an ICMP error; the tuple is that of the packet it is about, turned round. */
  readonly related: boolean;
}

interface Span {
  readonly bytes: Uint8Array;
  readonly l3: number;
  readonly l4: number;
  readonly end: number;
}

/**
 * Reads what identifies a packet's connection, as Open vSwitch's userspace tracker does. Undefined where it calls the packet invalid: wrong
 * checksums, headers cut short, port 0, ICMP that is neither query nor error, fragments.
 */
export function tupleOf(packet: Packet, options: { zone: number; verify: boolean }): TrackedTuple | undefined {
  const { zone, verify } = options;
  const family = packet.fresh()[etherTypeWord] === 0x0800 ? 4 : 6;
  const { bytes, l3, l4, end } = packet;
  if (l3 < 0 || l4 < 0) return undefined;
  const network = family === 4 ? readIpv4(bytes, l3, packet.end, verify) : readIpv6(bytes, l3, packet.end);
  if (network === undefined) return undefined;
  return readTransport(
    { bytes, l3, l4, end },
    { zone, family, protocol: network.protocol, source: network.source, destination: network.destination },
    { verify, outer: true },
  );
}

interface NetworkPart {
  readonly protocol: number;
  readonly source: Endpoint;
  readonly destination: Endpoint;
  readonly l4: number;
}

const endpoint = (words: readonly number[], port = 0, type = 0): Endpoint => ({ words, port, type });

function readIpv4(bytes: Uint8Array, at: number, end: number, verify: boolean): NetworkPart | undefined {
  if (end - at < 20) return undefined;
  const header = ((bytes[at] as number) & 0xf) * 4;
  if (header < 20 || end - at < header || (u16(bytes, at + 6) & 0x3fff) !== 0) return undefined;
  if (verify && internetChecksum(bytes.subarray(at, at + header)) !== 0) return undefined;
  return {
    protocol: bytes[at + 9] as number,
    source: endpoint([i32(bytes, at + 12)]),
    destination: endpoint([i32(bytes, at + 16)]),
    l4: at + header,
  };
}

function readIpv6(bytes: Uint8Array, at: number, end: number): NetworkPart | undefined {
  if (end - at < 40) return undefined;
  const extensions = skipExtensions(bytes, at + 40, end, bytes[at + 6] as number);
  if (extensions === undefined || extensions.frag !== 0) return undefined;
  const address = (from: number): number[] => [0, 4, 8, 12].map((offset) => i32(bytes, from + offset));
  return {
    protocol: extensions.protocol,
    source: endpoint(address(at + 8)),
    destination: endpoint(address(at + 24)),
    l4: extensions.at,
  };
}

interface Depth {
  readonly verify: boolean;
  /** Not the packet inside an ICMP error. */
  readonly outer: boolean;
}

function readTransport(span: Span, network: Tuple, depth: Depth): TrackedTuple | undefined {
  const { bytes, l4, end } = span;
  const { protocol, family } = network;
  const size = end - l4;
  if (protocol === protocols.tcp || protocol === protocols.udp) {
    if (depth.outer && !transportHolds(span, network, depth.verify)) return undefined;
    // Of an ICMPv4 error eight bytes are enough, of an ICMPv6 error the whole header is asked for.
    if (size < (depth.outer || family === 6 ? (protocol === protocols.tcp ? 20 : 8) : 8)) return undefined;
    const source = u16(bytes, l4);
    const destination = u16(bytes, l4 + 2);
    if (source === 0 || destination === 0) return undefined;
    return { tuple: withPorts(network, source, destination), related: false };
  }
  if (family === 4 && protocol === protocols.icmp) {
    if (depth.outer && depth.verify && internetChecksum(bytes.subarray(l4, end)) !== 0) return undefined;
    return size < 8 ? undefined : readIcmp(span, network, depth, icmp4);
  }
  if (family === 6 && protocol === protocols.icmpv6) {
    if (depth.outer && depth.verify && checksum(span, network) !== 0) return undefined;
    return size < 8 ? undefined : readIcmp(span, network, depth, icmp6);
  }
  return { tuple: network, related: false };
}

const withPorts = (tuple: Tuple, source: number, destination: number): Tuple => ({
  ...tuple,
  source: endpoint(tuple.source.words, source),
  destination: endpoint(tuple.destination.words, destination),
});

/** Whole header, length and checksum of TCP and UDP. */
function transportHolds(span: Span, network: Tuple, verify: boolean): boolean {
  const { bytes, l4, end } = span;
  const size = end - l4;
  if (network.protocol === protocols.tcp) {
    if (size < 20) return false;
    const header = ((bytes[l4 + 12] as number) >>> 4) * 4;
    if (header < 20 || header > size) return false;
  } else {
    if (size < 8) return false;
    const length = u16(bytes, l4 + 4);
    if (length < 8 || length > size) return false;
    // IPv4 allows UDP without a checksum.
    if (u16(bytes, l4 + 6) === 0 && network.family === 4) return true;
  }
  return !verify || checksum(span, network) === 0;
}

function checksum({ bytes, l3, l4, end }: Span, { family, protocol }: Tuple): number {
  // IPv4's pseudo-header takes the length from the IP header, which agrees with the packet's end.
  const sum = family === 4 ? pseudoSum4(bytes, l3, protocol, end - l4) : pseudoSum6(bytes, l3, protocol, end - l4);
  return internetChecksum(bytes.subarray(l4, end), sum);
}

interface IcmpKind {
  /** Types of queries and their answers. */
  readonly opposite: ReadonlyMap<number, number>;
  readonly errors: ReadonlySet<number>;
  readonly inner: (bytes: Uint8Array, at: number, end: number) => NetworkPart | undefined;
}

const pairs = (...list: readonly (readonly [number, number])[]): ReadonlyMap<number, number> =>
  new Map(list.flatMap(([query, answer]) => [[query, answer] as const, [answer, query] as const]));

const icmp4: IcmpKind = {
  opposite: pairs([8, 0], [13, 14], [15, 16]),
  errors: new Set([3, 4, 5, 11, 12]),
  inner: (bytes, at, end) => readIpv4(bytes, at, end, false),
};
const icmp6: IcmpKind = { opposite: pairs([128, 129]), errors: new Set([1, 2, 3, 4]), inner: readIpv6 };

function readIcmp(span: Span, network: Tuple, depth: Depth, kind: IcmpKind): TrackedTuple | undefined {
  const { bytes, l4, end } = span;
  const type = bytes[l4] as number;
  const opposite = kind.opposite.get(type);
  if (opposite !== undefined) {
    if (bytes[l4 + 1] !== 0) return undefined;
    const identifier = u16(bytes, l4 + 4);
    const source = endpoint(network.source.words, identifier, type);
    return { tuple: { ...network, source, destination: endpoint(network.destination.words, identifier, opposite) }, related: false };
  }
  if (!kind.errors.has(type) || !depth.outer) return undefined;
  const inner = kind.inner(bytes, l4 + 8, end);
  // The error must be for the sender of the packet it is about.
  if (inner === undefined || inner.source.words.some((word, index) => word !== network.destination.words[index])) return undefined;
  const about = { ...network, protocol: inner.protocol, source: inner.source, destination: inner.destination };
  const found = readTransport({ bytes, l3: l4 + 8, l4: inner.l4, end }, about, { verify: false, outer: false });
  return found === undefined ? undefined : { tuple: reversed(found.tuple), related: true };
}

/** Where the packet inside an ICMP error has its headers. */
export function innerHeaders(
  packet: Packet,
  family: 4 | 6,
): { readonly l3: number; readonly l4: number; readonly protocol: number } | undefined {
  const l3 = packet.l4 + 8;
  const inner = family === 4 ? readIpv4(packet.bytes, l3, packet.end, false) : readIpv6(packet.bytes, l3, packet.end);
  return inner === undefined ? undefined : { l3, l4: inner.l4, protocol: inner.protocol };
}
