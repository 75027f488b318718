import { onHeap } from "./on-heap.ts";

/**
 * Writes network-order integers and slices into a buffer that grows as needed: growing replaces it, so it comes before its use. A small one is written byte by byte:
 * a DataView would take it out of the heap ({@link onHeap}).
 */
export class Writer {
  #bytes: Uint8Array;
  /** Of a large buffer, or made when a number needs it. */
  #view: DataView | undefined;
  #length = 0;

  constructor(capacity = 256) {
    this.#bytes = new Uint8Array(capacity);
    if (capacity > onHeap) this.#view = new DataView(this.#bytes.buffer);
  }

  get length(): number {
    return this.#length;
  }

  uint8(value: number): this {
    const start = this.#grow(1);
    this.#bytes[start] = value;
    return this;
  }

  uint16(value: number): this {
    return this.patchUint16(this.#grow(2), value);
  }

  uint32(value: number): this {
    return this.patchUint32(this.#grow(4), value);
  }

  uint64(value: bigint): this {
    const start = this.#grow(8);
    this.#view ??= new DataView(this.#bytes.buffer);
    this.#view.setBigUint64(start, value);
    return this;
  }

  /** The low `length` bytes of `value`, most significant first. */
  uint(value: bigint, length: number): this {
    const start = this.#grow(length);
    let rest = value;
    for (let index = start + length - 1; index >= start; index--) {
      this.#bytes[index] = Number(rest & 0xffn);
      rest >>= 8n;
    }
    return this;
  }

  bytes(bytes: Uint8Array): this {
    const start = this.#grow(bytes.length);
    this.#bytes.set(bytes, start);
    return this;
  }

  zeros(length: number): this {
    const start = this.#grow(length);
    this.#bytes.fill(0, start, start + length);
    return this;
  }

  /** Fills up with zeros to a multiple of `size`, counted from `start`. */
  align(size: number, start = 0): this {
    return this.zeros((size - ((this.#length - start) % size)) % size);
  }

  /** Overwrites two bytes already written: a length known only later. */
  patchUint16(offset: number, value: number): this {
    if (this.#view !== undefined) this.#view.setUint16(offset, value);
    else {
      this.#bytes[offset] = value >>> 8;
      this.#bytes[offset + 1] = value;
    }
    return this;
  }

  patchUint32(offset: number, value: number): this {
    if (this.#view !== undefined) this.#view.setUint32(offset, value);
    else {
      this.#bytes[offset] = value >>> 24;
      this.#bytes[offset + 1] = value >>> 16;
      this.#bytes[offset + 2] = value >>> 8;
      this.#bytes[offset + 3] = value;
    }
    return this;
  }

  /** What was written so far; may share memory until the next write. */
  result(): Uint8Array {
    if (this.#length === this.#bytes.length) return this.#bytes;
    return this.#length <= onHeap ? this.#bytes.slice(0, this.#length) : this.#bytes.subarray(0, this.#length);
  }

  #grow(length: number): number {
    const start = this.#length;
    const needed = start + length;
    if (needed > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(needed, this.#bytes.length * 2));
      larger.set(this.#bytes.subarray(0, start));
      this.#bytes = larger;
      this.#view = needed > onHeap ? new DataView(larger.buffer) : undefined;
    }
    this.#length = needed;
    return start;
  }
}
