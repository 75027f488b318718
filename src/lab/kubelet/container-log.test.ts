import assert from "node:assert/strict";
import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { after, test } from "node:test";
import fc from "fast-check";
import { systemClock } from "#lib/runtime/clock.ts";
import { formatLogEntry, parseLogLine } from "./container-log.ts";
import { type LogStreamOptions, streamLog } from "./log-stream.ts";

const directory = mkdtempSync("/tmp/kl-log-");
after(() => rmSync(directory, { recursive: true }));
const file = `${directory}/0.log`;
const line = (second: number, text: string, tag = "F") => `2026-01-01T00:00:${String(second).padStart(2, "0")}.5Z stdout ${tag} ${text}\n`;

async function read(options: Partial<LogStreamOptions> = {}): Promise<string> {
  const { signal } = new AbortController();
  const selection = { file, follow: false, timestamps: false, clock: systemClock, running: async () => false, signal, ...options };
  let text = "";
  for await (const part of streamLog(selection)) text += part;
  return text;
}

test("selects by lines from the end, by time and by size", async () => {
  writeFileSync(file, [1, 2, 3, 4].map((second) => line(second, `line ${second}`)).join(""));
  assert.equal(await read(), "line 1\nline 2\nline 3\nline 4\n");
  assert.equal(await read({ tailLines: 2 }), "line 3\nline 4\n");
  assert.equal(await read({ tailLines: 0 }), "");
  assert.equal(await read({ tailLines: 99 }), "line 1\nline 2\nline 3\nline 4\n");
  assert.equal(await read({ since: Date.UTC(2026, 0, 1, 0, 0, 3) }), "line 3\nline 4\n");
  assert.equal(await read({ limitBytes: 9 }), "line 1\nli");
  assert.equal(await read({ tailLines: 1, timestamps: true }), "2026-01-01T00:00:04.5Z line 4\n");
});

test("joins what the runtime split, and passes over what it did not finish writing", async () => {
  writeFileSync(file, `${line(1, "long ", "P")}${line(1, "line")}garbage\n${line(2, "next")}2026-01-01T00:00:03Z std`);
  assert.equal(await read(), "long line\nnext\n");
});

test("a tail longer than one piece of the file", async () => {
  writeFileSync(file, Array.from({ length: 20_000 }, (_, index) => line(1, `row ${index}`)).join(""));
  const tail = await read({ tailLines: 5_000 });
  assert.equal(tail.split("\n").length, 5_001);
  assert.ok(tail.startsWith("row 15000\n"));
});

test("a followed log goes on until the container has ended", async () => {
  writeFileSync(file, line(1, "first"));
  let asked = 0;
  const running = async () => {
    asked++;
    if (asked === 2) appendFileSync(file, line(2, "second"));
    return asked < 4;
  };
  assert.equal(await read({ follow: true, running }), "first\nsecond\n");
});

test("any text survives; arbitrary lines never throw", () => {
  fc.assert(
    fc.property(
      fc.string().map((text) => text.replaceAll("\n", "")),
      fc.boolean(),
      (text, complete) => {
        const entry = parseLogLine(`2026-01-01T00:00:01.123456789Z stderr ${complete ? "F" : "P"} ${text}`);
        assert.deepEqual(entry, { time: "2026-01-01T00:00:01.123456789Z", stream: "stderr", complete, text });
        assert.equal(entry && formatLogEntry(entry, { timestamps: false }), complete ? `${text}\n` : text);
      },
    ),
  );
  fc.assert(fc.property(fc.string(), (text) => void parseLogLine(text)));
});
