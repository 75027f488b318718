/** Bits that a page has: four registers of 32 bits, twice. */
export const bitsPerPage = 256;

const wordBits = 32;
const words = bitsPerPage / wordBits;

/** Which sets of a page an address is in. Equal ones of one {@link BitsTable} are one object. */
export interface SetBits {
  /** Bit n of a page stands in word n / 32. */
  readonly words: readonly number[];
}

/** In no set. One object for all tables. */
export const noBits: SetBits = { words: new Array<number>(words).fill(0) };

/** Bits being put together. */
export type BitsDraft = Int32Array;

export const newDraft = (): BitsDraft => new Int32Array(words);

export function setBit(draft: BitsDraft, bit: number, on: boolean): void {
  const word = bit >> 5;
  const mask = 1 << (bit & 31);
  draft[word] = on ? (draft[word] ?? 0) | mask : (draft[word] ?? 0) & ~mask;
}

/** The bits as one number, bit n worth 2ⁿ. */
export function bitsValue({ words }: SetBits): bigint {
  let value = 0n;
  for (let word = words.length - 1; word >= 0; word--) value = (value << BigInt(wordBits)) | BigInt((words[word] ?? 0) >>> 0);
  return value;
}

/** Keeps each combination of bits once: thousands of addresses have few of them. */
export interface BitsTable {
  /** The object for what the draft holds now; {@link noBits} when no bit is set. */
  intern(draft: BitsDraft): SetBits;
  union(one: SetBits, other: SetBits): SetBits;
  /** Those of the bits that are in `only`. */
  pick(bits: SetBits, only: Readonly<BitsDraft>): SetBits;
  readonly size: number;
  /** Forgets combinations that are not among `used`. */
  keep(used: Iterable<SetBits>): void;
}

export function createBitsTable(): BitsTable {
  /** By a hash of the words; few combinations share one. */
  let table = new Map<number, SetBits[]>();
  let size = 0;
  const both = newDraft();
  const bitsTable: BitsTable = {
    union(one, other) {
      for (let word = 0; word < both.length; word++) both[word] = (one.words[word] ?? 0) | (other.words[word] ?? 0);
      if (equal(one.words, both)) return one;
      return equal(other.words, both) ? other : bitsTable.intern(both);
    },
    pick(bits, only) {
      for (let word = 0; word < both.length; word++) both[word] = (bits.words[word] ?? 0) & (only[word] ?? 0);
      return equal(bits.words, both) ? bits : bitsTable.intern(both);
    },
    intern(draft) {
      const hash = hashOf(draft);
      if (hash === 0 && draft.every((word) => word === 0)) return noBits;
      const candidates = table.get(hash);
      for (const candidate of candidates ?? []) if (equal(candidate.words, draft)) return candidate;
      const made: SetBits = { words: Array.from(draft) };
      if (candidates === undefined) table.set(hash, [made]);
      else candidates.push(made);
      size++;
      return made;
    },
    get size() {
      return size;
    },
    keep(used) {
      table = new Map();
      size = 0;
      for (const bits of new Set(used)) {
        const hash = hashOf(bits.words);
        table.set(hash, [...(table.get(hash) ?? []), bits]);
        size++;
      }
    },
  };
  return bitsTable;
}

function hashOf(words: ArrayLike<number>): number {
  let hash = 0;
  for (let word = 0; word < words.length; word++) {
    hash = Math.imul(hash ^ (words[word] ?? 0), 0x85eb_ca6b);
    hash ^= hash >>> 15;
  }
  return hash;
}

function equal(one: readonly number[], other: BitsDraft): boolean {
  for (let word = 0; word < other.length; word++) if (one[word] !== other[word]) return false;
  return true;
}
