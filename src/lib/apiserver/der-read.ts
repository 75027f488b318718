/** One element of DER (X.690): its tag, what is in it, and the bytes of all of it. */
export interface DerElement {
  readonly tag: number;
  readonly content: Buffer;
  readonly whole: Buffer;
}

/** Thrown for bytes that are no DER; whoever reads says what of. */
export class NotDer extends Error {}

/** Requests and certificates nest a dozen levels; readers of this module go as deep as they ask, so all that is bounded here is one length. */
const mostLengthBytes = 4;

/** The elements that stand one after the other in `bytes`, nothing left over. Throws {@link NotDer}. */
export function readElements(bytes: Buffer): readonly DerElement[] {
  const elements: DerElement[] = [];
  for (let at = 0; at < bytes.length; ) {
    const element = readElement(bytes.subarray(at));
    elements.push(element);
    at += element.whole.length;
  }
  return elements;
}

function readElement(bytes: Buffer): DerElement {
  const [tag = 0, first] = bytes;
  if (first === undefined) throw new NotDer("it ends within an element");
  if ((tag & 0x1f) === 0x1f) throw new NotDer("a tag of several bytes");
  if (first < 0x80) return elementAt(bytes, tag, 2, first);
  const size = first & 0x7f;
  if (size === 0 || size > mostLengthBytes) throw new NotDer(`a length of ${size} bytes`);
  if (bytes.length < 2 + size) throw new NotDer("it ends within a length");
  const length = bytes.readUIntBE(2, size);
  const shortest = length >= 0x80 && (size === 1 || length >= 2 ** (8 * (size - 1)));
  if (!shortest) throw new NotDer("a length that is longer than it need be");
  return elementAt(bytes, tag, 2 + size, length);
}

function elementAt(bytes: Buffer, tag: number, start: number, length: number): DerElement {
  if (bytes.length < start + length) throw new NotDer("an element is longer than what is there");
  return { tag, content: bytes.subarray(start, start + length), whole: bytes.subarray(0, start + length) };
}

/** The elements in an element of that tag, which says what it is in `what`. Throws {@link NotDer}. */
export function within(element: DerElement | undefined, tag: number, what: string): readonly DerElement[] {
  if (element?.tag !== tag) throw new NotDer(`${what} is not there`);
  return readElements(element.content);
}

/** `1.2.840.10045.4.3.2`. Throws {@link NotDer}. */
export function readObjectIdentifier(element: DerElement | undefined): string {
  if (element?.tag !== 0x06 || element.content.length === 0 || element.content.length > 64)
    throw new NotDer("an object identifier is not there");
  const arcs: number[] = [];
  let arc = 0;
  for (const byte of element.content) {
    arc = arc * 128 + (byte & 0x7f);
    if (arc > Number.MAX_SAFE_INTEGER / 128) throw new NotDer("an arc that is too large");
    if ((byte & 0x80) !== 0) continue;
    arcs.push(arc);
    arc = 0;
  }
  if ((element.content.at(-1) ?? 0x80) >= 0x80) throw new NotDer("an object identifier without an end");
  const [first = 0, ...rest] = arcs;
  const root = Math.min(2, Math.floor(first / 40));
  return [root, first - root * 40, ...rest].join(".");
}
