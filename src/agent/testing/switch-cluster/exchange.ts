import type { Arrival, ConversationEnd } from "#core/policy/cases/conversation.ts";
import type { Ipv4Packet, Ipv6Packet } from "#lib/packet/index.ts";

/** Which conversation a packet is of, whatever became of its addresses on the way. */
export type ConversationKey = string;

/** Who waits for packets, and what came that nobody waited for. */
export interface Exchange {
  /** Resolves with the next packet of the conversation; undefined when none came within so long. */
  next(key: ConversationKey, withinMs: number): Promise<Arrival | undefined>;
  /** A packet came out somewhere. */
  arrived(end: ConversationEnd, packet: Ipv4Packet | Ipv6Packet): void;
  /** How many packets came that nobody waited for any more, by conversation; forgets them. */
  takeStrays(): ReadonlyMap<ConversationKey, number>;
}

export function createExchange(): Exchange {
  const waiting = new Map<ConversationKey, (arrival: Arrival) => void>();
  let strays = new Map<ConversationKey, number>();
  return {
    next: (key, withinMs) =>
      new Promise((resolve, reject) => {
        if (waiting.has(key)) return reject(new RangeError(`two conversations are called ${key}`));
        const end = (arrival: Arrival | undefined): void => {
          clearTimeout(timer);
          waiting.delete(key);
          resolve(arrival);
        };
        const timer = setTimeout(() => end(undefined), withinMs);
        waiting.set(key, end);
      }),
    arrived(end, packet) {
      const keys = keysOf(packet);
      const hear = keys.map((key) => waiting.get(key)).find((each) => each !== undefined);
      if (hear !== undefined) return hear({ end, packet });
      for (const key of keys.slice(0, 1)) strays.set(key, (strays.get(key) ?? 0) + 1);
    },
    takeStrays() {
      const taken = strays;
      strays = new Map();
      return taken;
    },
  };
}

/** By the asker's port, or what stands for it: no other conversation of the time has the same. */
export const keyOfPort = (protocol: string, port: number): ConversationKey => `${protocol} ${port}`;

const echo = new Set([0, 8, 128, 129]);
const numberOf: Readonly<Record<number, string>> = { 1: "icmp", 58: "icmp", 6: "tcp", 17: "udp", 132: "sctp" };

/** The asker is at either end. An ICMP error is of the conversation that it quotes. */
function keysOf({ payload }: Ipv4Packet | Ipv6Packet): readonly ConversationKey[] {
  switch (payload.kind) {
    case "tcp":
    case "udp":
    case "sctp":
      return [payload.sourcePort, payload.destinationPort].map((port) => keyOfPort(payload.kind, port));
    case "icmp":
      return echo.has(payload.type) ? [keyOfPort("icmp", payload.rest >>> 16)] : quotedKeys(payload.payload);
    case "icmpv6":
      if (payload.body.type !== "other") return [];
      return echo.has(payload.body.number) ? [keyOfPort("icmp", payload.body.rest >>> 16)] : quotedKeys(payload.body.payload);
    case "other":
      return payload.bytes.length < 6 ? [] : [keyOfPort("ip", ((payload.bytes[4] ?? 0) << 8) | (payload.bytes[5] ?? 0))];
    default:
      return [];
  }
}

/** RFC 792, RFC 4443 §3.1: the header of the packet that it is about, and what of its payload there is room for. */
function quotedKeys(quoted: Uint8Array): readonly ConversationKey[] {
  const view = new DataView(quoted.buffer, quoted.byteOffset, quoted.byteLength);
  if (quoted.length < 48 && (quoted.length < 28 || (view.getUint8(0) ?? 0) >> 4 !== 4)) return [];
  const [protocol, at] = view.getUint8(0) >> 4 === 4 ? [view.getUint8(9), (view.getUint8(0) & 0xf) * 4] : [view.getUint8(6), 40];
  if (quoted.length < at + 8) return [];
  const name = numberOf[protocol] ?? "ip";
  if (name === "icmp" || name === "ip") return [keyOfPort(name, view.getUint16(at + 4))];
  return [view.getUint16(at), view.getUint16(at + 2)].map((port) => keyOfPort(name, port));
}
