import { type FieldName, fieldList, fields } from "../fields.ts";
import type { MatchTerm } from "../match.ts";
import type { Subfield } from "../subfield.ts";

/**
 * A packet's fields as 32-bit words, most significant word of a field first: what tables, cache and actions work on. Values are stored as
 * signed words, as JavaScript's bit operations give them.
 */
export type Key = Int32Array;

/** Where a field stands in a {@link Key}. */
export interface Place {
  /** Index of its most significant word. */
  readonly word: number;
  readonly words: number;
  /** Bits below it in its word; only fields of one word have some. */
  readonly shift: number;
}

/** Fields that are parts or other spellings of another one, as `matchTerms` resolves them. */
const parts: { readonly [Name in FieldName]?: { readonly of: FieldName; readonly shift: number } } = {
  in_port: { of: "in_port_oxm", shift: 0 },
  vlan_vid: { of: "vlan_tci", shift: 0 },
  vlan_pcp: { of: "vlan_tci", shift: 13 },
  ip_dscp: { of: "nw_tos", shift: 2 },
  nw_ecn: { of: "nw_tos", shift: 0 },
};

const isWideRegister = (name: FieldName): boolean => /^xx?reg/.test(name);
const isHeader = (name: FieldName): boolean =>
  /^(eth_|vlan_|mpls_|ip_|ipv6_|nw_|arp_|tcp_|udp_|sctp_|icmp|nd_)/.test(name) && !name.startsWith("nw_proto");

const places = new Map<FieldName, Place>();
let next = 0;
const allot = (name: FieldName): void => {
  const words = Math.ceil(fields[name].bits / 32);
  places.set(name, { word: next, words, shift: 0 });
  next += words;
};
const own = fieldList.map(({ name }) => name).filter((name) => parts[name] === undefined && !isWideRegister(name));
for (const name of own) if (!isHeader(name)) allot(name);
/** Words below this one are metadata, those from it on come from the frame. */
export const firstHeaderWord = next;
for (const name of own) if (isHeader(name)) allot(name);
export const keyWords = next;

for (const { name, bits } of fieldList) {
  const part = parts[name];
  if (part !== undefined) places.set(name, { word: place(part.of).word, words: 1, shift: part.shift });
  else if (isWideRegister(name)) {
    const words = bits / 32;
    const number = Number(/\d+$/.exec(name)?.[0] ?? 0);
    places.set(name, { word: place("reg0").word + words * number, words, shift: 0 });
  }
}

export function place(name: FieldName): Place {
  const found = places.get(name);
  if (found === undefined) throw new Error(`no place for ${name}`);
  return found;
}

/** The word of a field of at most 32 bits, or the most significant one of a wider field. */
export const wordOf = (name: FieldName): number => place(name).word;

/** All words of a field, most significant first. */
export function wordsOf(name: FieldName): number[] {
  const { word, words } = place(name);
  return Array.from({ length: words }, (_, index) => word + index);
}

export const newKey = (): Key => new Int32Array(keyWords);

/** Part of a word that must have, or gets, a value. */
export interface WordValue {
  readonly word: number;
  readonly value: number;
  readonly mask: number;
}

/** A value under a mask, word by word. Words that the mask does not touch are left out. */
export function wordValues(name: FieldName, value: bigint, mask: bigint): WordValue[] {
  const { word, words, shift } = place(name);
  const result: WordValue[] = [];
  for (let index = 0; index < words; index++) {
    const low = BigInt(32 * (words - 1 - index));
    const wordMask = Number(((mask << BigInt(shift)) >> low) & 0xffff_ffffn) | 0;
    if (wordMask !== 0)
      result.push({ word: word + index, value: Number(((value << BigInt(shift)) >> low) & 0xffff_ffffn) & wordMask, mask: wordMask });
  }
  return result;
}

/** A condition, word by word. */
export const termWords = ({ field, value, mask }: MatchTerm): WordValue[] => wordValues(field.name, value, mask);

/** The values of {@link termWords}: most flows ask for fields of one word, and there are many flows of few kinds. */
export function termValues(term: MatchTerm): number | number[] {
  const { words, shift } = place(term.field.name);
  return words === 1 ? Number(term.value) << shift : termWords(term).map(({ value }) => value);
}

/** A run of bits inside one word. */
export interface Chunk {
  readonly word: number;
  readonly shift: number;
  readonly bits: number;
}

/** The part of a subfield that starts `from` bits above its lowest one and lies in one word. */
function chunkAt(subfield: Subfield, from: number): Chunk {
  const { word, words, shift } = place(subfield.field);
  const bit = subfield.offset + shift + from;
  return { word: word + words - 1 - (bit >>> 5), shift: bit & 31, bits: Math.min(32 - (bit & 31), subfield.bits - from) };
}

/** A copy of bits from word to word. */
export interface Move {
  readonly from: Chunk;
  readonly to: Chunk;
}

/** How to copy a subfield into another of the same width. */
export function movesBetween(source: Subfield, destination: Subfield): Move[] {
  const moves: Move[] = [];
  for (let at = 0; at < source.bits; ) {
    const from = chunkAt(source, at);
    const to = chunkAt(destination, at);
    const bits = Math.min(from.bits, to.bits);
    moves.push({ from: { ...from, bits }, to: { ...to, bits } });
    at += bits;
  }
  return moves;
}

export function chunksOf(subfield: Subfield): Chunk[] {
  return movesBetween(subfield, subfield).map(({ from }) => from);
}

export const chunkMask = ({ shift, bits }: Chunk): number => (bits === 32 ? -1 : ((1 << bits) - 1) << shift);

/** The value of a subfield. */
export function readSubfield(key: Key, subfield: Subfield): bigint {
  let value = 0n;
  let at = 0n;
  for (const chunk of chunksOf(subfield)) {
    value |= BigInt(((key[chunk.word] ?? 0) & chunkMask(chunk)) >>> chunk.shift) << at;
    at += BigInt(chunk.bits);
  }
  return value;
}

/** The value of a whole field. */
export const readField = (key: Key, name: FieldName): bigint => readSubfield(key, { field: name, offset: 0, bits: fields[name].bits });

export function writeField(key: Key, name: FieldName, value: bigint): void {
  for (const { word, value: part, mask } of wordValues(name, value, fields[name].allOnes)) key[word] = ((key[word] ?? 0) & ~mask) | part;
}
