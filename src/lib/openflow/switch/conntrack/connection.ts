import { IpAddress } from "#lib/ip/index.ts";

/** One side of a connection. */
export interface Endpoint {
  /** The address: one or four words, most significant first. */
  readonly words: readonly number[];
  /** The port, the identifier of ICMP queries, or 0 for protocols without. */
  readonly port: number;
  /** ICMP type; 0 for other protocols. */
  readonly type: number;
}

/** What identifies the packets of one direction of a connection. */
export interface Tuple {
  readonly zone: number;
  readonly family: 4 | 6;
  readonly protocol: number;
  readonly source: Endpoint;
  readonly destination: Endpoint;
}

/** The states of one end of a TCP connection, in the order in which Open vSwitch's userspace tracker compares them. */
export const tcpStates = [
  "CLOSED",
  "LISTEN",
  "SYN_SENT",
  "SYN_RECV",
  "ESTABLISHED",
  "CLOSE_WAIT",
  "FIN_WAIT_1",
  "CLOSING",
  "LAST_ACK",
  "FIN_WAIT_2",
  "TIME_WAIT",
] as const;
export type TcpState = (typeof tcpStates)[number];

/** One end of a tracked TCP connection: what it sent, what it may send. */
export interface TcpPeer {
  /** End of the highest sequence number sent. */
  seqLow: number;
  /** Highest sequence number it may send. */
  seqHigh: number;
  maxWindow: number;
  windowScale: number;
  /** Index in {@link tcpStates}. */
  state: number;
}

/** What the tracker does to addresses of a connection: nothing, or one side of its first direction. */
export type Translation = "none" | "src" | "dst";

/** A tracked connection. */
export interface Connection {
  readonly key: Tuple;
  /** The key of packets in the other direction; with NAT not the mirror image of {@link key}. */
  readonly reverse: Tuple;
  readonly translation: Translation;
  mark: number;
  label: readonly number[];
  /** Virtual time at which it is forgotten, in milliseconds. */
  expires: number;
  /** How far the conversation of protocols without states of their own got. */
  progress: "first" | "multiple" | "both";
  readonly tcp?: readonly [TcpPeer, TcpPeer];
}

export const reversed = (tuple: Tuple): Tuple => ({ ...tuple, source: tuple.destination, destination: tuple.source });

/** A key for maps: equal for equal tuples only. */
export function tupleText({ zone, protocol, source, destination }: Tuple): string {
  return `${zone}|${protocol}|${endpointText(source)}|${endpointText(destination)}`;
}

const endpointText = ({ words, port, type }: Endpoint): string =>
  words.length === 1 ? `${words[0]}:${port}:${type}` : `${words[0]}.${words[1]}.${words[2]}.${words[3]}:${port}:${type}`;

export function endpointAddress({ words }: Endpoint): IpAddress {
  let value = 0n;
  for (const word of words) value = (value << 32n) | BigInt(word >>> 0);
  return new IpAddress(words.length === 1 ? 4 : 6, value);
}

export function addressWords({ family, value }: IpAddress): number[] {
  if (family === 4) return [Number(value) | 0];
  return [96n, 64n, 32n, 0n].map((shift) => Number((value >> shift) & 0xffff_ffffn) | 0);
}
