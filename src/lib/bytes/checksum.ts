/** The Internet checksum of `bytes` (RFC 1071), continuing from `initial`, the folded sum so far (not its complement). */
export function internetChecksum(bytes: Uint8Array, initial = 0): number {
  let sum = initial;
  for (let index = 0; index + 1 < bytes.length; index += 2) sum += ((bytes[index] ?? 0) << 8) | (bytes[index + 1] ?? 0);
  if (bytes.length % 2 === 1) sum += (bytes[bytes.length - 1] ?? 0) << 8;
  while (sum > 0xffff) sum = (sum & 0xffff) + Math.floor(sum / 0x10000);
  return ~sum & 0xffff;
}
