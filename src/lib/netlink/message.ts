/** Netlink messages: header, attributes, both directions. Pure. Numbers are in host order, which is little-endian on every machine we run on. */

export const headerBytes = 16;

export const flag = {
  request: 0x1,
  multi: 0x2,
  ack: 0x4,
  dumpInterrupted: 0x10,
  /** On a request that reads: the whole table. */
  dump: 0x300,
  /** On a request that makes something. */
  replace: 0x100,
  exclusive: 0x200,
  create: 0x400,
  append: 0x800,
  /** On an error: the request is not echoed whole. */
  capped: 0x100,
  /** On an error: attributes follow. */
  ackAttributes: 0x200,
} as const;

export const messageType = { noop: 1, error: 2, done: 3, overrun: 4 } as const;

export interface Message {
  readonly type: number;
  readonly flags: number;
  readonly sequence: number;
  readonly payload: Uint8Array;
}

export type Decoded<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly reason: string };

const align = (length: number): number => (length + 3) & ~3;
const nestedBit = 0x8000;
const typeMask = 0x3fff;

/** Splits what one `recv` delivered into messages. */
export function splitMessages(bytes: Uint8Array): Decoded<readonly Message[]> {
  const view = viewOf(bytes);
  const messages: Message[] = [];
  for (let offset = 0; offset < bytes.length; ) {
    if (bytes.length - offset < headerBytes) return { ok: false, reason: `${bytes.length - offset} bytes where a header of 16 should be` };
    const length = view.getUint32(offset, true);
    if (length < headerBytes || length > bytes.length - offset) {
      return { ok: false, reason: `message of ${length} bytes, ${bytes.length - offset} left` };
    }
    messages.push({
      type: view.getUint16(offset + 4, true),
      flags: view.getUint16(offset + 6, true),
      sequence: view.getUint32(offset + 8, true),
      payload: bytes.subarray(offset + headerBytes, offset + length),
    });
    offset += align(length);
  }
  return { ok: true, value: messages };
}

/** The attributes of one level by type; of a repeated type the last one counts. */
export class Attributes {
  readonly #byType: ReadonlyMap<number, Uint8Array>;
  /** Every attribute in order, for types that repeat. */
  readonly list: readonly { readonly type: number; readonly payload: Uint8Array }[];

  constructor(list: readonly { readonly type: number; readonly payload: Uint8Array }[]) {
    this.list = list;
    this.#byType = new Map(list.map(({ type, payload }) => [type, payload]));
  }

  bytes(type: number): Uint8Array | undefined {
    return this.#byType.get(type);
  }

  /** Undefined when absent or of another size, as for the other numbers. */
  uint8(type: number): number | undefined {
    const payload = this.#byType.get(type);
    return payload?.length === 1 ? payload[0] : undefined;
  }

  uint16(type: number, order: "host" | "network" = "host"): number | undefined {
    const payload = this.#byType.get(type);
    return payload?.length === 2 ? viewOf(payload).getUint16(0, order === "host") : undefined;
  }

  uint32(type: number, order: "host" | "network" = "host"): number | undefined {
    const payload = this.#byType.get(type);
    return payload?.length === 4 ? viewOf(payload).getUint32(0, order === "host") : undefined;
  }

  /** Text up to its terminating zero. */
  text(type: number): string | undefined {
    const payload = this.#byType.get(type);
    return payload === undefined ? undefined : textOf(payload);
  }

  /** The attributes inside one; empty when it is absent or malformed. */
  nested(type: number): Attributes {
    const payload = this.#byType.get(type);
    if (payload === undefined) return new Attributes([]);
    const decoded = decodeAttributes(payload);
    return decoded.ok ? decoded.value : new Attributes([]);
  }
}

export function textOf(payload: Uint8Array): string {
  const end = payload.indexOf(0);
  return Buffer.from(end < 0 ? payload : payload.subarray(0, end)).toString("utf8");
}

export function decodeAttributes(bytes: Uint8Array): Decoded<Attributes> {
  const view = viewOf(bytes);
  const list: { type: number; payload: Uint8Array }[] = [];
  for (let offset = 0; offset < bytes.length; ) {
    const left = bytes.length - offset;
    const length = left < 4 ? 0 : view.getUint16(offset, true);
    if (length < 4 || length > left) return { ok: false, reason: `attribute of ${length} bytes, ${left} left` };
    list.push({ type: view.getUint16(offset + 2, true) & typeMask, payload: bytes.subarray(offset + 4, offset + length) });
    offset += align(length);
  }
  return { ok: true, value: new Attributes(list) };
}

/** Builds one request. The sequence number is written by the socket that sends it. */
export class MessageWriter {
  #bytes = new Uint8Array(256);
  #view = viewOf(this.#bytes);
  #length = headerBytes;

  constructor(type: number, flags: number) {
    this.#view.setUint16(4, type, true);
    this.#view.setUint16(6, flags | flag.request, true);
  }

  uint8(value: number): this {
    const start = this.#grow(1);
    this.#view.setUint8(start, value);
    return this;
  }

  uint16(value: number, order: "host" | "network" = "host"): this {
    const start = this.#grow(2);
    this.#view.setUint16(start, value, order === "host");
    return this;
  }

  uint32(value: number, order: "host" | "network" = "host"): this {
    const start = this.#grow(4);
    this.#view.setUint32(start, value, order === "host");
    return this;
  }

  bytes(bytes: Uint8Array): this {
    const start = this.#grow(bytes.length);
    this.#bytes.set(bytes, start);
    return this;
  }

  /** An attribute with a payload of bytes. */
  attribute(type: number, payload: Uint8Array): this {
    return this.#attribute(type, () => this.bytes(payload));
  }

  attributeUint8(type: number, value: number): this {
    return this.#attribute(type, () => this.uint8(value));
  }

  attributeUint16(type: number, value: number, order: "host" | "network" = "host"): this {
    return this.#attribute(type, () => this.uint16(value, order));
  }

  attributeUint32(type: number, value: number, order: "host" | "network" = "host"): this {
    return this.#attribute(type, () => this.uint32(value, order));
  }

  /** An attribute with text and its terminating zero. */
  attributeText(type: number, text: string): this {
    return this.#attribute(type, () => this.bytes(Buffer.from(`${text}\0`)));
  }

  /** An attribute whose payload `fill` writes: attributes, or a struct and attributes. */
  nested(type: number, fill: () => void): this {
    return this.#attribute(type | nestedBit, fill);
  }

  /** The finished message. */
  result(): Uint8Array {
    this.#view.setUint32(0, this.#length, true);
    return this.#bytes.slice(0, this.#length);
  }

  #attribute(type: number, fill: () => void): this {
    const start = this.#grow(4);
    fill();
    this.#view.setUint16(start, this.#length - start, true);
    this.#view.setUint16(start + 2, type, true);
    this.#grow(align(this.#length) - this.#length);
    return this;
  }

  /** To be called before the buffer is named in an expression: it may be another one afterwards. */
  #grow(length: number): number {
    const start = this.#length;
    if (start + length > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(start + length, this.#bytes.length * 2));
      larger.set(this.#bytes);
      this.#bytes = larger;
      this.#view = viewOf(larger);
    }
    this.#length = start + length;
    return start;
  }
}

export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
