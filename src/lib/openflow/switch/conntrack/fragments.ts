import { internetChecksum } from "#lib/bytes/index.ts";
import { seconds } from "#lib/runtime/index.ts";
import { wordOf } from "../layout.ts";
import type { Packet } from "../packet.ts";
import { i32, skipExtensions, u16 } from "../parse.ts";
import { corrected, put16 } from "../rewrite.ts";

/** Fragments but the last must be this large: smaller ones are attacks more often than traffic (Open vSwitch 3.1 defaults). */
const smallest = { 4: 1200, 6: 1280 } as const;
/** How long an incomplete packet is kept. */
const patience = seconds(15);
/** Fragments kept in all: a bound on what strangers can make us hold. */
const mostFragments = 1000;
const largestPacket = 65_535;

interface Held {
  readonly packet: Packet;
  readonly start: number;
  /** Last byte. */
  readonly end: number;
}

interface Pile {
  readonly key: string;
  readonly expires: number;
  readonly held: Held[];
  first: boolean;
  last: boolean;
}

/** What became of a packet that came to the tracker. */
export type Fragmentation =
  /** No fragment, or one that is refused: track it as it is. `refused` makes it invalid. */
  | { readonly kind: "whole"; readonly refused: boolean }
  | { readonly kind: "held" }
  /** The last missing piece: track `whole`, then let all pieces go with what the tracker said. */
  | { readonly kind: "complete"; readonly whole: Packet; readonly pieces: readonly Packet[] };

const etherTypeWord = wordOf("eth_type");
const fragWord = wordOf("ip_frag");

/** Collects the fragments of packets in front of the tracker, which can only judge whole ones. */
export function createReassembly(): {
  take(packet: Packet, options: { zone: number; pass: number; now: number }): Fragmentation;
  /** Pieces of packets that were never completed, at most one packet's at a time. */
  expired(now: number): readonly Packet[];
} {
  const piles = new Map<string, Pile>();
  let count = 0;
  const release = (pile: Pile): readonly Packet[] => {
    piles.delete(pile.key);
    count -= pile.held.length;
    return pile.held.map(({ packet }) => packet);
  };
  return {
    take(packet, { zone, pass, now }) {
      const key = packet.fresh();
      const family = key[etherTypeWord] === 0x0800 ? 4 : 6;
      const piece =
        packet.l3 < 0 || packet.l4 < 0 || key[fragWord] === 0 ? undefined : family === 4 ? readPiece4(packet) : readPiece6(packet);
      if (piece === undefined) return { kind: "whole", refused: false };
      const tooSmall = !piece.last && packet.end - packet.l3 < smallest[family];
      if (!piece.sound || tooSmall || count >= mostFragments) return { kind: "whole", refused: !piece.sound || tooSmall };
      const text = `${zone}|${pass}|${piece.key}`;
      const pile: Pile = piles.get(text) ?? { key: text, expires: now + patience, held: [], first: false, last: false };
      if (pile.held.some(({ start, end }) => piece.start <= end && piece.end >= start)) return { kind: "whole", refused: true };
      piles.set(text, pile);
      packet.held = true;
      pile.held.push({ packet, start: piece.start, end: piece.end });
      count++;
      pile.first ||= piece.first;
      pile.last ||= piece.last;
      const whole = pile.first && pile.last ? assemble(pile, family) : undefined;
      return whole === undefined ? { kind: "held" } : { kind: "complete", whole, pieces: release(pile) };
    },
    expired(now) {
      const [oldest] = piles.values();
      return oldest === undefined || now <= oldest.expires ? [] : release(oldest);
    },
  };
}

interface Piece {
  readonly key: string;
  readonly start: number;
  readonly end: number;
  readonly first: boolean;
  readonly last: boolean;
  /** Lengths and checksum are right. */
  readonly sound: boolean;
}

function readPiece4({ bytes, l3, l4, end }: Packet): Piece {
  const offset = (u16(bytes, l3 + 6) & 0x1fff) * 8;
  const more = (u16(bytes, l3 + 6) & 0x2000) !== 0;
  const addresses = `${i32(bytes, l3 + 12)}>${i32(bytes, l3 + 16)}`;
  return {
    key: `4|${u16(bytes, l3 + 4)}|${bytes[l3 + 9]}|${addresses}`,
    start: offset,
    end: offset + (end - l4) - 1,
    first: offset === 0 && more,
    last: offset > 0 && !more,
    sound: internetChecksum(bytes.subarray(l3, l4)) === 0,
  };
}

function readPiece6({ bytes, l3, l4, end }: Packet): Piece | undefined {
  const at = skipExtensions(bytes, l3 + 40, end, bytes[l3 + 6] as number)?.fragmentAt;
  if (at === undefined || (u16(bytes, at + 2) & 0xfff9) === 0) return undefined;
  const offset = u16(bytes, at + 2) & 0xfff8;
  const more = (u16(bytes, at + 2) & 1) !== 0;
  return {
    key: `6|${i32(bytes, at + 4)}|${Buffer.from(bytes.subarray(l3 + 8, l3 + 40)).toString("latin1")}`,
    start: offset,
    end: offset + (end - l4) - 1,
    first: offset === 0 && more,
    last: offset > 0 && !more,
    sound: true,
  };
}

/** The whole packet when no piece is missing: the headers of the first piece without its fragmentation, and all payloads. */
function assemble(pile: Pile, family: 4 | 6): Packet | undefined {
  pile.held.sort((one, other) => one.start - other.start);
  const [head, ...rest] = pile.held;
  if (head === undefined || rest.some(({ start }, index) => start !== (pile.held[index]?.end ?? 0) + 1)) return undefined;
  const { packet } = head;
  const restBytes = rest.reduce((sum, { start, end }) => sum + end - start + 1, 0);
  const length = packet.end - packet.l3 + restBytes;
  if (length > largestPacket) return undefined;
  const bytes = new Uint8Array(packet.end + restBytes);
  bytes.set(packet.bytes.subarray(0, packet.end));
  let at = packet.end;
  for (const piece of rest) {
    bytes.set(piece.packet.bytes.subarray(piece.packet.l4, piece.packet.end), at);
    at += piece.end - piece.start + 1;
  }
  const { l3 } = packet;
  if (family === 4) {
    const flags = u16(bytes, l3 + 6);
    put16(bytes, l3 + 10, corrected(corrected(u16(bytes, l3 + 10), flags, flags & ~0x2000), u16(bytes, l3 + 2), length));
    put16(bytes, l3 + 6, flags & ~0x2000);
    put16(bytes, l3 + 2, length);
  } else {
    put16(bytes, l3 + 4, length - 40);
    const fragmentAt = skipExtensions(bytes, l3 + 40, bytes.length, bytes[l3 + 6] as number)?.fragmentAt;
    if (fragmentAt !== undefined) put16(bytes, fragmentAt + 2, 0);
  }
  const whole = packet.clone();
  whole.bytes = bytes;
  whole.shared = false;
  whole.stale = true;
  return whole;
}

/** Gives a piece what the tracker said of the whole packet: state, addresses, and the first piece the whole's first payload bytes. */
export function followWhole(piece: Packet, whole: Packet, isFirst: boolean): void {
  piece.copyConnection(whole);
  piece.connection = undefined;
  const bytes = piece.own();
  const family = piece.key[etherTypeWord] === 0x0800 ? 4 : 6;
  if (isFirst) bytes.set(whole.bytes.subarray(whole.l4, whole.l4 + piece.end - piece.l4), piece.l4);
  if (family === 4) {
    for (const at of [12, 14, 16, 18]) {
      const before = u16(bytes, piece.l3 + at);
      const after = u16(whole.bytes, whole.l3 + at);
      put16(bytes, piece.l3 + 10, corrected(u16(bytes, piece.l3 + 10), before, after));
      put16(bytes, piece.l3 + at, after);
    }
  } else bytes.set(whole.bytes.subarray(whole.l3 + 8, whole.l3 + 40), piece.l3 + 8);
  piece.stale = true;
}
