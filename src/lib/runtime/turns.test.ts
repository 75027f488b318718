import assert from "node:assert/strict";
import { test } from "node:test";
import { createTurns } from "./turns.ts";

test("one task in a turn, in order, also those that tasks add", () => {
  const turns: (() => void)[] = [];
  const inTurns = createTurns({ soon: (run) => void turns.push(run) });
  const ran: string[] = [];
  inTurns(() => {
    ran.push("first");
    inTurns(() => ran.push("third"));
  });
  inTurns(() => ran.push("second"));
  assert.equal(ran.length, 0);
  for (const wanted of [["first"], ["first", "second"], ["first", "second", "third"]]) {
    assert.equal(turns.length, 1);
    turns.shift()?.();
    assert.deepEqual(ran, wanted);
  }
  assert.equal(turns.length, 0);
  inTurns(() => ran.push("later"));
  turns.shift()?.();
  assert.equal(ran.at(-1), "later");
  assert.equal(turns.length, 0);
});
