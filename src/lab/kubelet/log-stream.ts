import { type FileHandle, open } from "node:fs/promises";
import type { Clock } from "#lib/runtime/clock.ts";
import { sleep } from "#lib/runtime/clock.ts";
import { milliseconds } from "#lib/runtime/duration.ts";
import { formatLogEntry, type LogSelection, parseLogLine } from "./container-log.ts";

/** Read at a time. */
const chunkBytes = 64 * 1024;
/** How often a followed file is looked at. inotify would be sooner, and one more thing that can run out. */
const followInterval = milliseconds(100);

export interface LogStreamOptions extends LogSelection {
  readonly file: string;
  readonly clock: Clock;
  /** Whether more may come: the container runs. Asked at the end of the file. */
  readonly running: () => Promise<boolean>;
  readonly signal: AbortSignal;
}

/** The selected lines of a log file, piece by piece, until the end or, followed, until the container has ended. */
export async function* streamLog(options: LogStreamOptions): AsyncGenerator<string> {
  const { file, follow, tailLines, since, limitBytes, clock, signal } = options;
  const input = await open(file);
  try {
    let left = limitBytes ?? Number.POSITIVE_INFINITY;
    let position = tailLines === undefined ? 0 : await tailStart(input, tailLines);
    let rest = Buffer.alloc(0);
    while (!signal.aborted && left > 0) {
      // asked before reading: what is written between the answer and the end of the file is still read
      const mayGrow = follow && (await options.running());
      const chunk = Buffer.alloc(chunkBytes);
      const { bytesRead } = await input.read(chunk, 0, chunkBytes, position);
      position += bytesRead;
      if (bytesRead === 0) {
        if (!mayGrow) return;
        await sleep(clock, followInterval, signal).catch(() => undefined);
        continue;
      }
      const lines = Buffer.concat([rest, chunk.subarray(0, bytesRead)]);
      const end = lines.lastIndexOf("\n") + 1;
      rest = lines.subarray(end);
      let text = lines
        .toString("utf8", 0, end)
        .split("\n")
        .flatMap((line) => parseLogLine(line) ?? [])
        .filter(({ time }) => since === undefined || Date.parse(time) >= since)
        .map((entry) => formatLogEntry(entry, options))
        .join("");
      if (Buffer.byteLength(text) > left) text = Buffer.from(text).toString("utf8", 0, left);
      left -= Buffer.byteLength(text);
      if (text !== "") yield text;
    }
  } finally {
    await input.close();
  }
}

/** Where the last `lines` lines begin; reads backwards, so that a long log costs no more than its tail. */
async function tailStart(input: FileHandle, lines: number): Promise<number> {
  const { size } = await input.stat();
  if (lines === 0) return size;
  let position = size;
  let missing = lines;
  const chunk = Buffer.alloc(chunkBytes);
  while (position > 0) {
    const start = Math.max(0, position - chunkBytes);
    const { bytesRead } = await input.read(chunk, 0, position - start, start);
    for (let index = bytesRead - 1; index >= 0; index--) {
      // the newline at the very end closes the last line
      if (chunk[index] !== 0x0a || start + index === size - 1) continue;
      missing--;
      if (missing <= 0) return start + index + 1;
    }
    position = start;
  }
  return 0;
}
