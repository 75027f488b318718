import { IpAddress, tryParseAddress, tryParseMac } from "#lib/ip/index.ts";
import { InvalidFlowText } from "./errors.ts";
import type { Field, FieldText } from "./fields.ts";
import { formatPort, parsePort, portToWire, portToWire16 } from "./port.ts";

/** The bits of `ct_state`, lowest first (ovs-fields(7)). */
export const ctStateBits = ["new", "est", "rel", "rpl", "inv", "trk", "snat", "dnat"] as const;
/** The bits of `tcp_flags`, lowest first. */
export const tcpFlagBits = ["fin", "syn", "rst", "psh", "ack", "urg", "ece", "cwr", "ns", "[200]", "[400]", "[800]"] as const;
const tunnelFlagBits = ["oam"] as const;

/** `value/mask` of `field` as ovs-ofctl writes it in set_field and learn. */
export function formatValue(field: Field, value: bigint, mask = field.allOnes): string {
  if (mask === 0n) return "ANY";
  const text = textForms[field.text].format(value, mask, field);
  // The port of that name has an older one, too, which means nothing else.
  return text === "ANY" ? "NONE" : text;
}

/** Reads a value with or without mask. `*` and `ANY` are a mask of zero. Throws {@link InvalidFlowText}. */
export function parseValue(field: Field, text: string): { readonly value: bigint; readonly mask: bigint } {
  if (text === "*" || text.toUpperCase() === "ANY") return { value: 0n, mask: 0n };
  const parsed = textForms[field.text].parse(text, field);
  if (parsed === undefined) throw new InvalidFlowText(text, `is no value of ${field.name}`);
  if (parsed.value > field.allOnes || parsed.mask > field.allOnes)
    throw new InvalidFlowText(text, `does not fit the ${field.bits} bits of ${field.name}`);
  return { value: parsed.value & parsed.mask, mask: parsed.mask };
}

/** A number in decimal or, with 0x, hexadecimal; undefined for anything else. */
export function parseInteger(text: string): bigint | undefined {
  return /^(\d+|0x[0-9a-f]+)$/i.test(text) ? BigInt(text) : undefined;
}

/** Hexadecimal as ovs-ofctl writes it: zero is a bare 0. */
export const formatHex = (value: bigint): string => (value === 0n ? "0" : `0x${value.toString(16)}`);

/** `10.0.0.1`, `10.0.0.0/8`, `10.0.0.1/255.0.0.255`. */
export function formatIpMasked(value: bigint, mask: bigint, family: 4 | 6): string {
  const bits = family === 4 ? 32 : 128;
  const allOnes = (1n << BigInt(bits)) - 1n;
  if (mask === allOnes) return formatAddress(value, family);
  const length = prefixLength(mask, bits);
  return `${formatAddress(value, family)}/${length ?? formatAddress(mask, family)}`;
}

export const formatMac = (value: bigint): string => (value.toString(16).padStart(12, "0").match(/../g) ?? []).join(":");

/** `+trk-new`, or `est|trk` where all bits count. */
export function formatFlags(value: bigint, mask: bigint, bits: readonly string[], allBits: bigint): string {
  const name = (index: number): string => bits[index] ?? `0x${(1n << BigInt(index)).toString(16)}`;
  const set = (number: bigint): number[] =>
    Array.from({ length: 32 }, (_, index) => index).filter((index) => (number >> BigInt(index)) & 1n);
  if (mask === allBits) return value === 0n ? "0" : set(value).map(name).join("|");
  return set(mask)
    .map((index) => ((value >> BigInt(index)) & 1n ? "+" : "-") + name(index))
    .join("");
}

interface Parsed {
  readonly value: bigint;
  readonly mask: bigint;
}

interface TextForm {
  format(value: bigint, mask: bigint, field: Field): string;
  parse(text: string, field: Field): Parsed | undefined;
}

const integerParse: TextForm["parse"] = (text, field) => {
  const [value, mask] = text.split("/").map(parseInteger);
  if (value === undefined || (text.includes("/") && mask === undefined)) return undefined;
  return { value, mask: mask ?? field.allOnes };
};

const flagsForm = (bits: readonly string[], allBits: bigint): TextForm => ({
  format: (value, mask) => formatFlags(value, mask, bits, allBits),
  parse(text, field) {
    if (/^[0-9]/.test(text)) return integerParse(text, field);
    const signed = /^[+-]/.test(text);
    let value = 0n;
    let mask = signed ? 0n : field.allOnes;
    for (const part of signed ? (text.match(/[+-][^+-]+/g) ?? []) : text.split("|")) {
      const index = bits.indexOf(signed ? part.slice(1) : part);
      if (index < 0) return undefined;
      const bit = 1n << BigInt(index);
      if (!part.startsWith("-")) value |= bit;
      mask |= bit;
    }
    return mask === 0n ? undefined : { value, mask };
  },
});

const addressForm = (family: 4 | 6): TextForm => ({
  format: (value, mask) => formatIpMasked(value, mask, family),
  parse(text, field) {
    const slash = text.indexOf("/");
    const address = tryParseAddress(slash < 0 ? text : text.slice(0, slash));
    if (address === undefined || address.family !== family) return undefined;
    if (slash < 0) return { value: address.value, mask: field.allOnes };
    const rest = text.slice(slash + 1);
    const mask = /^\d+$/.test(rest) ? maskOfLength(Number(rest), field.bits) : tryParseAddress(rest)?.value;
    return mask === undefined ? undefined : { value: address.value, mask };
  },
});

/** The names of ip_frag (ovs-fields(7)): bit 0 = any fragment, bit 1 = a later one. */
const fragments: readonly (readonly [string, bigint, bigint])[] = [
  ["no", 0n, 3n],
  ["first", 1n, 3n],
  ["later", 3n, 3n],
  ["no", 0n, 1n],
  ["yes", 1n, 1n],
  ["not_later", 0n, 2n],
  ["later", 2n, 2n],
];

const textForms: { readonly [Text in FieldText]: TextForm } = {
  decimal: {
    format: (value, mask, field) => (mask === field.allOnes ? value.toString() : `${value}/${formatHex(mask)}`),
    parse: integerParse,
  },
  hexadecimal: {
    format: (value, mask, field) => (mask === field.allOnes ? formatHex(value) : `${formatHex(value)}/${formatHex(mask)}`),
    parse: integerParse,
  },
  ethernet: {
    format: (value, mask, field) => (mask === field.allOnes ? formatMac(value) : `${formatMac(value)}/${formatMac(mask)}`),
    parse(text, field) {
      const [value, mask] = text.split("/").map((part) => tryParseMac(part)?.value);
      if (value === undefined || (text.includes("/") && mask === undefined)) return undefined;
      return { value, mask: mask ?? field.allOnes };
    },
  },
  ipv4: addressForm(4),
  ipv6: addressForm(6),
  port: {
    format: (value) => formatPort(parsePort(value.toString()) ?? Number(value)),
    parse(text, field) {
      const port = parsePort(text);
      const wire = port === undefined ? undefined : field.bits === 16 ? portToWire16(port) : portToWire(port);
      return wire === undefined ? undefined : { value: BigInt(wire), mask: field.allOnes };
    },
  },
  ct_state: flagsForm(ctStateBits, 0xffn),
  tcp_flags: flagsForm(tcpFlagBits, 0xfffn),
  // The switch has more tunnel flags inside than the one that OpenFlow sees, so all of them are never known.
  tun_flags: flagsForm(tunnelFlagBits, 0n),
  ip_frag: {
    format: (value, mask) => fragments.find(([, number, bits]) => number === value && bits === mask)?.[0] ?? "<error>",
    parse(text) {
      const found = fragments.find(([name]) => name === text.toLowerCase());
      return found === undefined ? undefined : { value: found[1], mask: found[2] };
    },
  },
};

function formatAddress(value: bigint, family: 4 | 6): string {
  // The C library also writes ::a.b.c.d, the long deprecated compatible form.
  if (family === 6 && value > 0xffffn && value <= 0xffff_ffffn) return `::${new IpAddress(4, value)}`;
  return new IpAddress(family, value).toString();
}

function prefixLength(mask: bigint, bits: number): number | undefined {
  const hostBits = (1n << BigInt(bits)) - 1n - mask;
  return (hostBits & (hostBits + 1n)) === 0n ? bits - hostBits.toString(2).length + (hostBits === 0n ? 1 : 0) : undefined;
}

function maskOfLength(length: number, bits: number): bigint | undefined {
  return length > bits ? undefined : ((1n << BigInt(length)) - 1n) << BigInt(bits - length);
}
