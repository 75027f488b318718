/** Slots of lines that are gone stay until there are so many: moving the rest costs a moment for each line left. */
const staleSlots = 1_024;

/**
 * Lines that wait for a watcher. They wait here and not in the response: there each would hold three entries of a stream's queue, many times what a line
 * costs that all watchers share. A class, as there are thousands, nearly all of them empty: each would have functions of its own.
 */
export class LineQueue {
  #waiting: (Buffer | undefined)[] = [];
  #next = 0;
  /** How much of the next line was taken. */
  #offset = 0;
  #bytes = 0;

  get lines(): number {
    return this.#waiting.length - this.#next;
  }

  get bytes(): number {
    return this.#bytes;
  }

  push(line: Buffer): void {
    this.#waiting.push(line);
    this.#bytes += line.length;
  }

  /** What is next, up to `limitBytes`: whole lines, or a part of one that is longer, whose rest comes next. Throws RangeError when there is nothing. */
  take(limitBytes: number): Buffer {
    const batch: Buffer[] = [];
    let taken = 0;
    for (let line = this.#waiting[this.#next]; line !== undefined && taken < limitBytes; line = this.#waiting[this.#next]) {
      const left = line.length - this.#offset;
      if (taken > 0 && taken + left > limitBytes) break;
      const part = left === line.length && left <= limitBytes ? line : line.subarray(this.#offset, this.#offset + limitBytes);
      batch.push(part);
      taken += part.length;
      this.#offset += part.length;
      if (this.#offset < line.length) break;
      this.#offset = 0;
      this.#waiting[this.#next++] = undefined;
    }
    this.#bytes -= taken;
    if (this.#next === this.#waiting.length || (this.#next >= staleSlots && this.#next * 2 >= this.#waiting.length)) {
      this.#waiting = this.#waiting.slice(this.#next);
      this.#next = 0;
    }
    const [only] = batch;
    if (only === undefined) throw new RangeError("no line waits");
    return batch.length === 1 ? only : Buffer.concat(batch);
  }
}
