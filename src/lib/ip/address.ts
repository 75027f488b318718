import { InvalidAddress } from "./errors.ts";

export type Family = 4 | 6;

/** Bits in an address of `family`. */
export const addressBits = (family: Family): 32 | 128 => (family === 4 ? 32 : 128);

/** An IPv4 or IPv6 address as a number of its family. Immutable; compare with {@link IpAddress.equals} or by `toString()`. */
export class IpAddress {
  readonly family: Family;
  /** The address as an unsigned integer of 32 or 128 bits. */
  readonly value: bigint;
  #text: string | undefined;

  constructor(family: Family, value: bigint) {
    this.family = family;
    this.value = value;
  }

  /** 4 or 16 bytes, most significant first. */
  static fromBytes(bytes: Uint8Array): IpAddress {
    if (bytes.length === 4) {
      const [first, second, third, last] = bytes as Uint8Array & readonly [number, number, number, number];
      return new IpAddress(4, BigInt(((first << 24) | (second << 16) | (third << 8) | last) >>> 0));
    }
    if (bytes.length !== 16) throw new InvalidAddress(Buffer.from(bytes).toString("hex"));
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    return new IpAddress(6, (view.getBigUint64(0) << 64n) | view.getBigUint64(8));
  }

  bytes(): Uint8Array {
    const bytes = new Uint8Array(this.family === 4 ? 4 : 16);
    // A DataView would take these few bytes out of the heap.
    for (let end = bytes.length, rest = this.value; end > 0; end -= 4, rest >>= 32n) {
      const word = Number(BigInt.asUintN(32, rest));
      bytes[end - 4] = word >>> 24;
      bytes[end - 3] = word >>> 16;
      bytes[end - 2] = word >>> 8;
      bytes[end - 1] = word;
    }
    return bytes;
  }

  equals(other: IpAddress): boolean {
    return this.family === other.family && this.value === other.value;
  }

  /** The address `offset` further on. */
  plus(offset: bigint): IpAddress {
    return new IpAddress(this.family, this.value + offset);
  }

  /** Canonical text: dotted decimal, or RFC 5952 for IPv6. */
  toString(): string {
    this.#text ??= this.family === 4 ? formatV4(this.value) : formatV6(this.value);
    return this.#text;
  }

  toJSON(): string {
    return this.toString();
  }
}

/** Reads an address; undefined when it is none. Leading zeros in IPv4 parts and IPv6 zones are refused, as Go's `netip.ParseAddr` without zone does. */
export function tryParseAddress(text: string): IpAddress | undefined {
  const family = text.includes(":") ? 6 : 4;
  const value = family === 4 ? parseV4(text) : parseV6(text);
  return value === undefined ? undefined : new IpAddress(family, value);
}

/** Reads an address; throws {@link InvalidAddress}. */
export function parseAddress(text: string): IpAddress {
  const address = tryParseAddress(text);
  if (address === undefined) throw new InvalidAddress(text);
  return address;
}

function parseV4(text: string): bigint | undefined {
  let value = 0;
  let dots = 0;
  let part = 0;
  let digits = 0;
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index);
    if (code === dot && digits > 0) {
      value = value * 256 + part;
      dots++;
      part = 0;
      digits = 0;
    } else if (code >= zero && code <= zero + 9 && !(digits > 0 && part === 0)) {
      part = part * 10 + code - zero;
      digits++;
      if (part > 255) return undefined;
    } else return undefined;
  }
  return dots === 3 && digits > 0 ? BigInt(value * 256 + part) : undefined;
}

const dot = ".".charCodeAt(0);
const zero = "0".charCodeAt(0);

function parseV6(text: string): bigint | undefined {
  const halves = text.split("::");
  if (halves.length > 2) return undefined;
  const head = parseGroups(halves[0] ?? "", halves.length === 1);
  const tail = halves.length === 2 ? parseGroups(halves[1] ?? "", true) : [];
  if (head === undefined || tail === undefined) return undefined;
  const missing = 8 - head.length - tail.length;
  if (halves.length === 2 ? missing < 1 : missing !== 0) return undefined;
  const groups = [...head, ...new Array<number>(missing).fill(0), ...tail];
  // In parts that a number holds: eight steps of 128 bits are several times as slow.
  const half = (from: number): bigint => {
    const [a = 0, b = 0, c = 0, d = 0] = groups.slice(from, from + 4);
    return (BigInt(a * 0x1_0000 + b) << 32n) | BigInt(c * 0x1_0000 + d);
  };
  return (half(0) << 64n) | half(4);
}

const hexGroup = /^[0-9a-fA-F]{1,4}$/;

function parseGroups(text: string, dottedEndAllowed: boolean): number[] | undefined {
  if (text === "") return [];
  const parts = text.split(":");
  const groups: number[] = [];
  for (const [index, part] of parts.entries()) {
    if (part.includes(".") && dottedEndAllowed && index === parts.length - 1) {
      const value = parseV4(part);
      if (value === undefined) return undefined;
      groups.push(Number(value >> 16n), Number(value & 0xffffn));
    } else if (hexGroup.test(part)) groups.push(Number.parseInt(part, 16));
    else return undefined;
  }
  return groups;
}

function formatV4(value: bigint): string {
  const number = Number(value);
  return `${number >>> 24}.${(number >>> 16) & 255}.${(number >>> 8) & 255}.${number & 255}`;
}

function formatV6(value: bigint): string {
  if (value >> 32n === 0xffffn) return `::ffff:${formatV4(value & 0xffff_ffffn)}`;
  const quarters = [value >> 96n, value >> 64n, value >> 32n, value].map((bits) => Number(BigInt.asUintN(32, bits)));
  const groups = quarters.flatMap((bits) => [bits >>> 16, bits & 0xffff]);
  let start = -1;
  let length = 1;
  for (let index = 0; index < 8; index++) {
    let end = index;
    while (end < 8 && groups[end] === 0) end++;
    if (end - index > length) {
      start = index;
      length = end - index;
    }
    index = Math.max(index, end);
  }
  const text = (from: number, to: number): string =>
    groups
      .slice(from, to)
      .map((group) => group.toString(16))
      .join(":");
  return start < 0 ? text(0, 8) : `${text(0, start)}::${text(start + length, 8)}`;
}
