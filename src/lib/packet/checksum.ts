import { internetChecksum, Writer } from "#lib/bytes/index.ts";
import type { IpAddress } from "#lib/ip/index.ts";

/** What transport checksums cover beside the packet: the pseudo-header of RFC 9293 §3.1 and RFC 8200 §8.1. */
export interface PseudoHeader {
  readonly source: IpAddress;
  readonly destination: IpAddress;
}

/** The transport checksum of `bytes`, whose checksum field is zero; or 0 over bytes with a right one. */
export function transportChecksum({ source, destination }: PseudoHeader, protocol: number, bytes: Uint8Array): number {
  const pseudo = new Writer(40).bytes(source.bytes()).bytes(destination.bytes()).uint32(bytes.length).uint32(protocol).result();
  return internetChecksum(bytes, ~internetChecksum(pseudo) & 0xffff);
}

/** CRC32c (Castagnoli), which SCTP uses (RFC 9260 §6.8 and appendix A), as the 32-bit number that stands on the wire in little-endian order. */
export function crc32c(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = (crc >>> 8) ^ (table[(crc ^ byte) & 0xff] ?? 0);
  return ~crc >>> 0;
}

const reversedPolynomial = 0x82f63b78;
const table = Uint32Array.from({ length: 256 }, (_, index) => {
  let value = index;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ reversedPolynomial : value >>> 1;
  return value;
});
