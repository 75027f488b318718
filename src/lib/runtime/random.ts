import { randomFillSync } from "node:crypto";

/** The only door to chance. Secrets and names come from {@link systemRandom}; tests and simulations from {@link seededRandom}. */
export interface Random {
  /** A whole number in [0, limit); `limit` at most 2^32. */
  below(limit: number): number;
  /** `length` random bytes. */
  bytes(length: number): Uint8Array;
}

export const systemRandom: Random = {
  below(limit) {
    const word = new Uint32Array(1);
    const fair = 2 ** 32 - (2 ** 32 % limit);
    do randomFillSync(word);
    while ((word[0] ?? 0) >= fair);
    return (word[0] ?? 0) % limit;
  },
  bytes: (length) => randomFillSync(new Uint8Array(length)),
};

/** Deterministic sequence of one 32-bit seed (mulberry32): equal seeds give equal sequences on every machine. Never for secrets. */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  const word = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return (mixed ^ (mixed >>> 14)) >>> 0;
  };
  return {
    below: (limit) => Math.floor((word() / 2 ** 32) * limit),
    bytes: (length) => Uint8Array.from({ length }, () => word() & 0xff),
  };
}

/** A random (version 4) UUID, RFC 9562 §5.4. */
export function uuid(random: Random): string {
  const bytes = random.bytes(16);
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x40;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  const hex = Buffer.from(bytes).toString("hex");
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

/** Lower-case letters and digits without vowels, as Kubernetes uses for generated names (`k8s.io/apimachinery/pkg/util/rand`). */
export function nameSuffix(random: Random, length = 5): string {
  const alphabet = "bcdfghjklmnpqrstvwxz2456789";
  return Array.from({ length }, () => alphabet[random.below(alphabet.length)]).join("");
}
