import type { IpAddress } from "#lib/ip/index.ts";
import type { Connection, Endpoint } from "./conntrack/connection.ts";
import { firstHeaderWord, type Key, newKey, place, wordOf, writeField } from "./layout.ts";
import { parseHeaders } from "./parse.ts";

/** What a tunnel port says of a packet that came in, or is told about one that goes out. */
export interface Tunnel {
  /** The virtual network identifier. Default 0. */
  readonly id?: bigint;
  readonly source?: IpAddress;
  readonly destination?: IpAddress;
}

/** Who the connection's first packet was from and to: the `ct_nw_*`, `ct_tp_*` fields. */
export interface OriginalTuple {
  readonly family: 4 | 6;
  readonly protocol: number;
  readonly source: Endpoint;
  readonly destination: Endpoint;
}

const { word: labelWord } = place("ct_label");
const { word: ctSource6 } = place("ct_ipv6_src");
const { word: ctDestination6 } = place("ct_ipv6_dst");
const ctWords = {
  state: wordOf("ct_state"),
  zone: wordOf("ct_zone"),
  mark: wordOf("ct_mark"),
  protocol: wordOf("ct_nw_proto"),
  source4: wordOf("ct_nw_src"),
  destination4: wordOf("ct_nw_dst"),
  sourcePort: wordOf("ct_tp_src"),
  destinationPort: wordOf("ct_tp_dst"),
};
const etherTypeWord = wordOf("eth_type");

/** A packet on its way through the datapath: bytes, what they mean, and what the connection tracker knows of it. */
export class Packet {
  bytes: Uint8Array;
  /** Someone else holds the bytes too: copy before writing. */
  shared = true;
  readonly key: Key;
  /** It waits for the other fragments: its key must stay. */
  held = false;
  /** The bytes were changed behind the key's back. */
  stale = true;
  /** Offset of the network header; −1 without one. */
  l3 = -1;
  /** Offset of the transport header; −1 when the network header is not whole. */
  l4 = -1;
  /** End of the transport payload: padding follows. */
  end = 0;
  ctState = 0;
  ctZone = 0;
  ctMark = 0;
  ctLabel: readonly number[] = noLabel;
  ctTuple: OriginalTuple | undefined;
  /** The connection found last, while addresses and ports are as they were then. */
  connection: Connection | undefined;
  reply = false;
  related = false;

  constructor(bytes: Uint8Array, key: Key = newKey()) {
    this.bytes = bytes;
    this.key = key;
  }

  /** The key, brought up to date with bytes and connection. */
  fresh(): Key {
    if (this.stale) {
      this.stale = false;
      parseHeaders(this);
    }
    return this.key;
  }

  /** Writes what the connection tracker knows into the key, as a lookup after recirculation sees it. */
  refreshConnection(): Key {
    const key = this.fresh();
    key[ctWords.state] = this.ctState;
    key[ctWords.zone] = this.ctState === 0 ? 0 : this.ctZone;
    key[ctWords.mark] = this.ctState === 0 ? 0 : this.ctMark;
    for (let index = 0; index < 4; index++) key[labelWord + index] = this.ctState === 0 ? 0 : (this.ctLabel[index] ?? 0);
    const tuple = this.ctState === 0 || this.l3 < 0 ? undefined : this.ctTuple;
    const type = key[etherTypeWord];
    const fits = tuple !== undefined && (tuple.family === 4 ? type === 0x0800 : type === 0x86dd);
    key[ctWords.protocol] = fits ? tuple.protocol : 0;
    key[ctWords.source4] = fits && tuple.family === 4 ? (tuple.source.words[0] ?? 0) : 0;
    key[ctWords.destination4] = fits && tuple.family === 4 ? (tuple.destination.words[0] ?? 0) : 0;
    for (let index = 0; index < 4; index++) {
      key[ctSource6 + index] = fits && tuple.family === 6 ? (tuple.source.words[index] ?? 0) : 0;
      key[ctDestination6 + index] = fits && tuple.family === 6 ? (tuple.destination.words[index] ?? 0) : 0;
    }
    const ports = fits && tuple.protocol !== 0;
    key[ctWords.sourcePort] = ports ? originalPort(tuple, tuple.source, tuple.source.type) : 0;
    key[ctWords.destinationPort] = ports ? originalPort(tuple, tuple.destination, 0) : 0;
    return key;
  }

  /** Must be called before `bytes` are written to. */
  own(): Uint8Array {
    if (this.shared) {
      this.bytes = this.bytes.slice();
      this.shared = false;
    }
    return this.bytes;
  }

  clone(): Packet {
    this.shared = true;
    const copy = new Packet(this.bytes, this.key.slice());
    copy.stale = this.stale;
    copy.l3 = this.l3;
    copy.l4 = this.l4;
    copy.end = this.end;
    copy.connection = this.connection;
    copy.reply = this.reply;
    copy.related = this.related;
    copy.copyConnection(this);
    return copy;
  }

  copyConnection(from: Packet): void {
    this.ctState = from.ctState;
    this.ctZone = from.ctZone;
    this.ctMark = from.ctMark;
    this.ctLabel = from.ctLabel;
    this.ctTuple = from.ctTuple;
  }

  clearConnection(): void {
    this.ctState = 0;
    this.connection = undefined;
  }
}

/** ICMP's original tuple has type and code where others have ports; the code of what can be tracked is 0. */
const originalPort = ({ family, protocol }: OriginalTuple, { port }: Endpoint, type: number): number =>
  protocol === (family === 4 ? 1 : 58) ? type : port;

export const noLabel: readonly number[] = [0, 0, 0, 0];

const inPortWord = wordOf("in_port_oxm");
const markWord = wordOf("pkt_mark");

/** A packet as it enters the switch. `key`: one that nobody needs any more. */
export function receivedPacket(options: {
  frame: Uint8Array;
  inPort: number;
  tunnel?: Tunnel | undefined;
  mark?: number | undefined;
  key?: Key | undefined;
}): Packet {
  const { frame, inPort, tunnel, mark, key } = options;
  const packet = new Packet(frame, key?.fill(0, 0, firstHeaderWord));
  packet.key[inPortWord] = inPort | 0;
  packet.key[markWord] = (mark ?? 0) | 0;
  if (tunnel !== undefined) {
    writeField(packet.key, "tun_id", tunnel.id ?? 0n);
    const { source, destination } = tunnel;
    if (source !== undefined) writeField(packet.key, source.family === 4 ? "tun_src" : "tun_ipv6_src", source.value);
    if (destination !== undefined) writeField(packet.key, destination.family === 4 ? "tun_dst" : "tun_ipv6_dst", destination.value);
  }
  return packet;
}
