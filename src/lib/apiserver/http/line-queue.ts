/**
 * Lines that wait for a watcher. They wait here and not in the response: there each would hold three entries of a stream's queue, many times what a line
 * costs that all watchers share.
 */
export interface LineQueue {
  readonly lines: number;
  readonly bytes: number;
  push(line: Buffer): void;
  /** What is next, up to `limitBytes`: whole lines, or a part of one that is longer, whose rest comes next. Throws RangeError when there is nothing. */
  take(limitBytes: number): Buffer;
}

/** Slots of lines that are gone stay until there are so many: moving the rest costs a moment for each line left. */
const staleSlots = 1_024;

export function createLineQueue(): LineQueue {
  let waiting: (Buffer | undefined)[] = [];
  let next = 0;
  /** How much of the next line was taken. */
  let offset = 0;
  let bytes = 0;
  return {
    get lines() {
      return waiting.length - next;
    },
    get bytes() {
      return bytes;
    },
    push(line) {
      waiting.push(line);
      bytes += line.length;
    },
    take(limitBytes) {
      const batch: Buffer[] = [];
      let taken = 0;
      for (let line = waiting[next]; line !== undefined && taken < limitBytes; line = waiting[next]) {
        const left = line.length - offset;
        if (taken > 0 && taken + left > limitBytes) break;
        const part = left === line.length && left <= limitBytes ? line : line.subarray(offset, offset + limitBytes);
        batch.push(part);
        taken += part.length;
        offset += part.length;
        if (offset < line.length) break;
        offset = 0;
        waiting[next++] = undefined;
      }
      bytes -= taken;
      if (next === waiting.length || (next >= staleSlots && next * 2 >= waiting.length)) {
        waiting = waiting.slice(next);
        next = 0;
      }
      const [only] = batch;
      if (only === undefined) throw new RangeError("no line waits");
      return batch.length === 1 ? only : Buffer.concat(batch);
    },
  };
}
