import assert from "node:assert/strict";
import { test } from "node:test";
import { LineQueue } from "./line-queue.ts";

test("lines come out in order, together up to the limit, and a longer one in parts", () => {
  const queue = new LineQueue();
  for (const text of ["one\n", "two\n", "a longer line\n", "four\n"]) queue.push(Buffer.from(text));
  assert.equal(queue.bytes, 27);
  assert.equal(queue.take(9).toString(), "one\ntwo\n");
  assert.equal(queue.take(6).toString(), "a long");
  assert.deepEqual({ lines: queue.lines, bytes: queue.bytes }, { lines: 2, bytes: 13 });
  assert.equal(queue.take(9).toString(), "er line\n");
  assert.deepEqual({ lines: queue.lines, bytes: queue.bytes }, { lines: 1, bytes: 5 });
  assert.equal(queue.take(9).toString(), "four\n");
  assert.throws(() => queue.take(9), RangeError);
});

test("nothing is lost or doubled where slots are moved", () => {
  const queue = new LineQueue();
  let [pushed, taken] = [0, 0];
  for (let round = 0; round < 500; round++) {
    for (let count = round % 40; count > 0; count--) queue.push(Buffer.from(`${pushed++}\n`));
    if (queue.lines === 0) continue;
    for (const line of queue.take(100).toString().trimEnd().split("\n")) assert.equal(line, String(taken++));
  }
  while (queue.lines > 0) for (const line of queue.take(100).toString().trimEnd().split("\n")) assert.equal(line, String(taken++));
  assert.equal(taken, pushed);
  assert.equal(queue.bytes, 0);
});
