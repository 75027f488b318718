import assert from "node:assert/strict";
import { test } from "node:test";
import { inTurn } from "./together.ts";

test("each step is made behind the one before it, whatever became of that; the first failure is told in the end", async () => {
  const made: string[] = [];
  const step = (name: string, failure?: Error) => async () => {
    made.push(`${name} begins`);
    await new Promise((resolve) => setImmediate(resolve));
    made.push(`${name} ends`);
    if (failure !== undefined) throw failure;
  };
  const first = new Error("the first");
  const all = inTurn([step("a"), step("b", first), () => undefined, step("c", new Error("the second")), step("d")]);
  await assert.rejects(all, first);
  assert.deepEqual(
    made,
    ["a", "b", "c", "d"].flatMap((name) => [`${name} begins`, `${name} ends`]),
  );
  await inTurn([step("e")]);
});
