import type { FieldName } from "../fields.ts";
import { type Subfield, subfieldMask } from "../subfield.ts";
import {
  chunkMask,
  firstHeaderWord,
  type Key,
  keyWords,
  type Move,
  newKey,
  readSubfield,
  type WordValue,
  wordOf,
  wordsOf,
  wordValues,
} from "./layout.ts";
import { fragment } from "./parse.ts";
import type { Need } from "./program.ts";

const fragWord = wordOf("ip_frag");
const markWord = wordOf("pkt_mark");

/** What the connection tracker says of a packet. */
export const connectionWords: readonly number[] = (
  [
    "ct_state",
    "ct_zone",
    "ct_mark",
    "ct_label",
    "ct_nw_proto",
    "ct_nw_src",
    "ct_nw_dst",
    "ct_ipv6_src",
    "ct_ipv6_dst",
    "ct_tp_src",
    "ct_tp_dst",
  ] as const
).flatMap((name) => wordsOf(name));

/** What fragments do not show to tables. */
const portWords = (
  ["tcp_src", "tcp_dst", "udp_src", "udp_dst", "sctp_src", "sctp_dst", "icmp_type", "icmp_code", "icmpv6_type", "icmpv6_code"] as const
).map(wordOf);

/** Fields of the packet beside those of the connection's first packet. */
const tuplePairs: readonly (readonly [number, number])[] = (
  [
    ["ip_src", "ct_nw_src"],
    ["ip_dst", "ct_nw_dst"],
    ["ipv6_src", "ct_ipv6_src"],
    ["ipv6_dst", "ct_ipv6_dst"],
    ["ip_proto", "ct_nw_proto"],
  ] as const
).flatMap(([packet, original]) => wordsOf(packet).map((word, index) => [word, wordsOf(original)[index] ?? word] as const));

/** Memory that one walk uses after the other: making it anew would cost more than the walk. */
export interface Scratch {
  readonly key: Key;
  readonly consulted: Key;
  readonly written: Key;
}

export const newScratch = (): Scratch => ({ key: newKey(), consulted: newKey(), written: newKey() });

/** The key of a packet on its walk: which bits were looked at, and which were written and are not yet in the packet. */
export class WalkedKey {
  readonly key: Key;
  readonly consulted: Key;
  #written: Key;
  #dirty = false;

  constructor(key: Key, scratch: Scratch) {
    this.key = key;
    this.consulted = scratch.consulted.fill(0);
    this.#written = scratch.written.fill(0);
    for (const name of ["in_port_oxm", "eth_type"] as const) this.consulted[wordOf(name)] = -1;
    this.consulted[fragWord] = fragment.any | fragment.later;
  }

  /** Whether other fields have the values that an action needs. */
  fits(needs: readonly Need[], { fragmentsHavePorts }: { readonly fragmentsHavePorts: boolean }): boolean {
    for (const { word, permitted } of needs) {
      this.consulted[word] = -1;
      const value = this.key[word] as number;
      if (word === fragWord ? (value & fragment.later) !== 0 && !fragmentsHavePorts : !permitted.includes(value)) return false;
    }
    return true;
  }

  write(values: readonly WordValue[]): void {
    for (const { word, value, mask } of values) {
      this.key[word] = ((this.key[word] as number) & ~mask) | value;
      this.#written[word] = (this.#written[word] as number) | mask;
    }
    this.#dirty = true;
  }

  writeSubfield(destination: Subfield, value: bigint): void {
    const mask = subfieldMask(destination);
    this.write(wordValues(destination.field, (value << BigInt(destination.offset)) & mask, mask));
  }

  move(moves: readonly Move[]): void {
    // Both sides may lie in one field: read all before writing any.
    const values = moves.map(
      ({ from }) => ((this.key[from.word] as number) >>> from.shift) & (from.bits === 32 ? -1 : (1 << from.bits) - 1),
    );
    for (const [index, { from, to }] of moves.entries()) {
      this.consulted[from.word] = (this.consulted[from.word] as number) | chunkMask(from);
      const mask = chunkMask(to);
      this.key[to.word] = ((this.key[to.word] as number) & ~mask) | (((values[index] as number) << to.shift) & mask);
      this.#written[to.word] = (this.#written[to.word] as number) | mask;
    }
    this.#dirty = true;
  }

  consult(name: FieldName): void {
    for (const word of wordsOf(name)) this.consulted[word] = -1;
  }

  read(source: Subfield): bigint {
    this.consult(source.field);
    return readSubfield(this.key, source);
  }

  /** The word of a field of at most 32 bits, looked at. */
  look(word: number): number {
    this.consulted[word] = -1;
    return this.key[word] as number;
  }

  /** What was written to headers and marks since last time. */
  takeWritten(): WordValue[] {
    if (!this.#dirty) return [];
    this.#dirty = false;
    const values: WordValue[] = [];
    if (this.#written[markWord] !== 0) values.push(this.takeWord(markWord));
    for (let word = firstHeaderWord; word < keyWords; word++) if (this.#written[word] !== 0) values.push(this.takeWord(word));
    return values;
  }

  /** What was written to one word since last time. */
  takeWord(word: number): WordValue {
    const mask = this.#written[word] as number;
    this.#written[word] = 0;
    return { word, value: (this.key[word] as number) & mask, mask };
  }

  clearConnection(): void {
    for (const word of connectionWords) this.key[word] = 0;
  }

  /** Looks up without ports where the packet is a fragment: otherwise parts of a packet would go different ways (OFPC_FRAG_NORMAL). */
  withoutPorts<Found>(lookup: () => Found): Found {
    if (((this.key[fragWord] as number) & fragment.any) === 0) return lookup();
    const hidden = portWords.map((word) => this.key[word] as number);
    for (const word of portWords) this.key[word] = 0;
    const found = lookup();
    for (const [index, word] of portWords.entries()) this.key[word] = hidden[index] as number;
    return found;
  }

  /** `resubmit(…,ct)` looks the connection's first addresses and protocol up instead of the packet's. */
  swapTuple(): void {
    for (const [packet, original] of tuplePairs) {
      const value = this.look(packet);
      this.key[packet] = this.look(original);
      this.key[original] = value;
    }
  }

  /** The way back to how it is now; what was looked at stays noted. */
  save(): () => void {
    const key = this.key.slice();
    const written = this.#written.slice();
    const dirty = this.#dirty;
    return () => {
      this.key.set(key);
      this.#written = written;
      this.#dirty = dirty;
    };
  }
}
