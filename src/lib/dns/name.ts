/** Most bytes of a name on the wire, lengths and the final zero included, and of a label (RFC 1035 §2.3.4). */
export const nameLimit = 255;
export const labelLimit = 63;

const pointerBits = 0xc0;
/** No name has more labels than this, and between two pointers there is one: further pointers only cost time. */
const pointersAtMost = 127;

/** Where a name was read and where what follows it begins. */
export interface ReadName {
  readonly name: string;
  readonly next: number;
}

/** Reads the names of one message. */
export interface NameReader {
  /**
   * The name at `offset`. Undefined when it is no name: cut short, longer than {@link nameLimit}, a label of an unknown kind, a pointer that does
   * not lead back (which is also what a loop would need), or more pointers than any name has labels.
   */
  read(offset: number): ReadName | undefined;
}

/**
 * Names are remembered by where they stand: a message of 64 KiB may point at one long name from each of its thousands of records, and is still read
 * once.
 */
export function createNameReader(bytes: Uint8Array): NameReader {
  const known = new Map<number, ReadName | undefined>();
  const readNew = (offset: number): ReadName | undefined => {
    const labels: string[] = [];
    let length = 1;
    let at = offset;
    // Each pointer must lead before the part that holds it, so there is an end.
    let partStart = offset;
    let pointers = 0;
    let next: number | undefined;
    for (;;) {
      const first = bytes[at];
      if (first === undefined) return undefined;
      if (first === 0) return { name: labels.join("."), next: next ?? at + 1 };
      if (first < pointerBits) {
        if (first > labelLimit || at + 1 + first > bytes.length) return undefined;
        length += 1 + first;
        if (length > nameLimit) return undefined;
        labels.push(labelText(bytes, at + 1, at + 1 + first));
        at += 1 + first;
        continue;
      }
      const second = bytes[at + 1];
      if (second === undefined) return undefined;
      const target = ((first & ~pointerBits) << 8) | second;
      if (target >= partStart || ++pointers > pointersAtMost) return undefined;
      next ??= at + 2;
      partStart = target;
      at = target;
    }
  };
  return {
    read(offset) {
      // A name that is nothing but a pointer, as nearly all owners are, is the name that it points to.
      const first = bytes[offset] ?? 0;
      const second = bytes[offset + 1];
      if (first >= pointerBits && second !== undefined) {
        const target = ((first & ~pointerBits) << 8) | second;
        if (target >= offset) return undefined;
        const found = remembered(target);
        return found === undefined ? undefined : { name: found.name, next: offset + 2 };
      }
      return remembered(offset);
    },
  };
  function remembered(offset: number): ReadName | undefined {
    if (known.has(offset)) return known.get(offset);
    const found = readNew(offset);
    known.set(offset, found);
    return found;
  }
}

/** The name that two spellings share: DNS does not tell upper from lower case (RFC 4343), in ASCII only. */
export function canonicalName(name: string): string {
  const bare = name.endsWith(".") && !name.endsWith("\\.") ? name.slice(0, -1) : name;
  return /[A-Z]/.test(bare) ? bare.replace(/[A-Z]+/g, (letters) => letters.toLowerCase()) : bare;
}

/** The labels of a name as bytes. Undefined for an empty label or an escape that means no byte. */
export function labelsOf(name: string): readonly Uint8Array[] | undefined {
  if (name === "" || name === ".") return [];
  const labels: number[][] = [[]];
  for (let index = 0; index < name.length; index++) {
    const code = name.charCodeAt(index);
    if (code === dot) {
      if (index < name.length - 1) labels.push([]);
    } else if (code === backslash) {
      const digits = /^\d{3}/.exec(name.slice(index + 1, index + 4))?.[0];
      if (digits === undefined || Number(digits) > 255) return undefined;
      labels.at(-1)?.push(Number(digits));
      index += digits.length;
    } else if (code > 0x20 && code < 0x7f) labels.at(-1)?.push(code);
    else return undefined;
  }
  return labels.some(({ length }) => length === 0) ? undefined : labels.map((label) => Uint8Array.from(label));
}

const dot = 0x2e;
const backslash = 0x5c;

/**
 * A label as text. What is neither letter, digit, hyphen nor underscore stands as `\DDD` (RFC 1035 §5.1): a label that holds a dot cannot pass for two,
 * nor one that holds a star for a pattern.
 */
function labelText(bytes: Uint8Array, start: number, end: number): string {
  let text = "";
  for (let index = start; index < end; index++) {
    const byte = bytes[index] ?? 0;
    text += isPlain(byte) ? String.fromCharCode(byte) : `\\${byte.toString().padStart(3, "0")}`;
  }
  return text;
}

const isPlain = (byte: number): boolean =>
  (byte >= 0x61 && byte <= 0x7a) || (byte >= 0x30 && byte <= 0x39) || byte === 0x2d || byte === 0x5f || (byte >= 0x41 && byte <= 0x5a);
