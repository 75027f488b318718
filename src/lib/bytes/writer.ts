/** Writes network-order integers and slices into a buffer that grows as needed: growing replaces the views, so it comes before their use. */
export class Writer {
  #bytes: Uint8Array;
  #view: DataView;
  #length = 0;

  constructor(capacity = 256) {
    this.#bytes = new Uint8Array(capacity);
    this.#view = new DataView(this.#bytes.buffer);
  }

  get length(): number {
    return this.#length;
  }

  uint8(value: number): this {
    const start = this.#grow(1);
    this.#view.setUint8(start, value);
    return this;
  }

  uint16(value: number): this {
    const start = this.#grow(2);
    this.#view.setUint16(start, value);
    return this;
  }

  uint32(value: number): this {
    const start = this.#grow(4);
    this.#view.setUint32(start, value);
    return this;
  }

  uint64(value: bigint): this {
    const start = this.#grow(8);
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
    this.#view.setUint16(offset, value);
    return this;
  }

  patchUint32(offset: number, value: number): this {
    this.#view.setUint32(offset, value);
    return this;
  }

  /** What was written so far; shares memory until the next write. */
  result(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  #grow(length: number): number {
    const start = this.#length;
    const needed = start + length;
    if (needed > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(needed, this.#bytes.length * 2));
      larger.set(this.#bytes.subarray(0, start));
      this.#bytes = larger;
      this.#view = new DataView(larger.buffer);
    }
    this.#length = needed;
    return start;
  }
}
