import { OutOfBytes } from "./errors.ts";

/** Reads network-order integers and slices from a byte array. Throws {@link OutOfBytes} and never anything else. Slices share memory. */
export class Reader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #end: number;
  #offset: number;

  /** `view` is of the same bytes: making one costs more than most of what is read. */
  constructor(bytes: Uint8Array, start = 0, end = bytes.length, view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)) {
    this.#bytes = bytes;
    this.#view = view;
    this.#offset = start;
    this.#end = Math.min(end, bytes.length);
  }

  get offset(): number {
    return this.#offset;
  }

  get left(): number {
    return this.#end - this.#offset;
  }

  uint8(): number {
    return this.#view.getUint8(this.#take(1));
  }

  uint16(): number {
    return this.#view.getUint16(this.#take(2));
  }

  uint32(): number {
    return this.#view.getUint32(this.#take(4));
  }

  uint64(): bigint {
    return this.#view.getBigUint64(this.#take(8));
  }

  /** An unsigned big-endian integer of `length` bytes. */
  uint(length: number): bigint {
    const start = this.#take(length);
    let value = 0n;
    for (let index = start; index < start + length; index++) value = (value << 8n) | BigInt(this.#bytes[index] ?? 0);
    return value;
  }

  bytes(length: number): Uint8Array {
    const start = this.#take(length);
    return this.#bytes.subarray(start, start + length);
  }

  rest(): Uint8Array {
    return this.bytes(this.left);
  }

  skip(length: number): void {
    this.#take(length);
  }

  /** A reader of the next `length` bytes alone; this one moves past them. */
  inner(length: number): Reader {
    const start = this.#take(length);
    return new Reader(this.#bytes, start, start + length, this.#view);
  }

  #take(length: number): number {
    if (length < 0 || length > this.left) throw new OutOfBytes(length, this.left);
    const start = this.#offset;
    this.#offset += length;
    return start;
  }
}
