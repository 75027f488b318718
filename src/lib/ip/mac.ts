import { InvalidMac } from "./errors.ts";

/** An Ethernet address of 48 bits. */
export class MacAddress {
  readonly value: bigint;

  constructor(value: bigint) {
    this.value = value;
  }

  static fromBytes(bytes: Uint8Array): MacAddress {
    if (bytes.length !== 6) throw new InvalidMac(Buffer.from(bytes).toString("hex"));
    let value = 0;
    for (const byte of bytes) value = value * 0x100 + byte;
    return new MacAddress(BigInt(value));
  }

  bytes(): Uint8Array {
    const bytes = new Uint8Array(6);
    for (let index = bytes.length - 1, rest = Number(this.value); index >= 0; index--, rest = Math.floor(rest / 0x100)) bytes[index] = rest;
    return bytes;
  }

  equals(other: MacAddress): boolean {
    return this.value === other.value;
  }

  /** Lower-case hex pairs joined by colons. */
  toString(): string {
    return (this.value.toString(16).padStart(12, "0").match(/../g) ?? []).join(":");
  }

  toJSON(): string {
    return this.toString();
  }
}

export function tryParseMac(text: string): MacAddress | undefined {
  return /^[0-9a-fA-F]{2}(:[0-9a-fA-F]{2}){5}$/.test(text) ? new MacAddress(BigInt(`0x${text.replaceAll(":", "")}`)) : undefined;
}

/** Reads `xx:xx:xx:xx:xx:xx`; throws {@link InvalidMac}. */
export function parseMac(text: string): MacAddress {
  const mac = tryParseMac(text);
  if (mac === undefined) throw new InvalidMac(text);
  return mac;
}
