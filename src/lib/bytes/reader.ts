import { OutOfBytes } from "./errors.ts";

/**
 * Reads network-order integers and slices from a byte array. Throws {@link OutOfBytes} and never anything else. Slices share memory. Small numbers are put together from bytes: a DataView costs
 * more than most of what is read, and takes a small array out of the heap.
 */
export class Reader {
  readonly #bytes: Uint8Array;
  /** Of the same bytes, made when a number needs it, for all readers of them. */
  readonly #view: { made: DataView | undefined };
  readonly #end: number;
  #offset: number;

  constructor(bytes: Uint8Array, start = 0, end = bytes.length, view: { made: DataView | undefined } = { made: undefined }) {
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
    return this.#bytes[this.#take(1)] as number;
  }

  uint16(): number {
    const start = this.#take(2);
    return ((this.#bytes[start] as number) << 8) | (this.#bytes[start + 1] as number);
  }

  uint32(): number {
    const start = this.#take(4);
    const bytes = this.#bytes;
    const [first, second, third, last] = [bytes[start], bytes[start + 1], bytes[start + 2], bytes[start + 3]] as [
      number,
      number,
      number,
      number,
    ];
    return ((first << 24) | (second << 16) | (third << 8) | last) >>> 0;
  }

  uint64(): bigint {
    const start = this.#take(8);
    this.#view.made ??= new DataView(this.#bytes.buffer, this.#bytes.byteOffset, this.#bytes.byteLength);
    return this.#view.made.getBigUint64(start);
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
