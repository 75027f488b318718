import { addressBits, type Family, IpAddress, tryParseAddress } from "./address.ts";
import { InvalidPrefix } from "./errors.ts";

/** A block of addresses: the first `length` bits are fixed. Host bits of `address` are always zero. */
export class Prefix {
  readonly address: IpAddress;
  readonly length: number;
  #text: string | undefined;

  constructor(address: IpAddress, length: number) {
    this.address = new IpAddress(address.family, address.value & maskOf(address.family, length));
    this.length = length;
  }

  get family(): Family {
    return this.address.family;
  }

  /** Ones where bits are fixed. */
  get mask(): bigint {
    return maskOf(this.family, this.length);
  }

  contains(address: IpAddress): boolean {
    return address.family === this.family && (address.value & this.mask) === this.address.value;
  }

  covers(other: Prefix): boolean {
    return other.length >= this.length && this.contains(other.address);
  }

  equals(other: Prefix): boolean {
    return this.length === other.length && this.address.equals(other.address);
  }

  toString(): string {
    this.#text ??= `${this.address}/${this.length}`;
    return this.#text;
  }

  toJSON(): string {
    return this.toString();
  }
}

/** Reads `address/length`; host bits may be set and are cleared. Undefined when it is no prefix. */
export function tryParsePrefix(text: string): Prefix | undefined {
  const slash = text.lastIndexOf("/");
  const address = slash < 0 ? undefined : tryParseAddress(text.slice(0, slash));
  const digits = text.slice(slash + 1);
  if (address === undefined || !/^(0|[1-9]\d{0,2})$/.test(digits) || Number(digits) > addressBits(address.family)) return undefined;
  return new Prefix(address, Number(digits));
}

/** Reads `address/length`; throws {@link InvalidPrefix}. */
export function parsePrefix(text: string): Prefix {
  const prefix = tryParsePrefix(text);
  if (prefix === undefined) throw new InvalidPrefix(text);
  return prefix;
}

const mappedBits = 96;

/** The IPv4 block that `::ffff:a.b.c.d/96` to `/128` is (RFC 4291 §2.5.5.2); every other prefix as it is. */
export function unmapped(prefix: Prefix): Prefix {
  const { address, length, family } = prefix;
  const isMapped = family === 6 && length >= mappedBits && address.value >> 32n === 0xffffn;
  return isMapped ? new Prefix(new IpAddress(4, address.value & 0xffff_ffffn), length - mappedBits) : prefix;
}

/** The prefix that holds `address` alone. */
export function hostPrefix(address: IpAddress): Prefix {
  return new Prefix(address, addressBits(address.family));
}

function maskOf(family: Family, length: number): bigint {
  const bits = BigInt(addressBits(family));
  return ((1n << BigInt(length)) - 1n) << (bits - BigInt(length));
}
