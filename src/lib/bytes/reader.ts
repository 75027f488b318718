import { OutOfBytes } from "./errors.ts";
import { onHeap } from "./on-heap.ts";

/** Reads network-order integers and slices from a byte array. Throws {@link OutOfBytes} and never anything else. Slices share memory. */
export class Reader {
  readonly #bytes: Uint8Array;
  /** Of the same bytes, unless they are few ({@link onHeap}). */
  readonly #view: DataView | undefined;
  readonly #end: number;
  #offset: number;

  /** `view` is of the same bytes: making one costs more than most of what is read. */
  constructor(
    bytes: Uint8Array,
    start = 0,
    end = bytes.length,
    view = bytes.length > onHeap ? new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength) : undefined,
  ) {
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
    if (this.#view !== undefined) return this.#view.getUint16(start);
    return ((this.#bytes[start] as number) << 8) | (this.#bytes[start + 1] as number);
  }

  uint32(): number {
    const start = this.#take(4);
    if (this.#view !== undefined) return this.#view.getUint32(start);
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
    if (this.#view !== undefined) return this.#view.getBigUint64(start);
    return new DataView(this.#bytes.buffer, this.#bytes.byteOffset + start, 8).getBigUint64(0);
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
