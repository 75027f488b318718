import assert from "node:assert/strict";
import { test } from "node:test";
import { virtualClock } from "#lib/runtime/index.ts";
import { LocalWay, localWay } from "./local-way.ts";

test("what is sent in one moment arrives as one, in its order and no earlier than its time", () => {
  const clock = virtualClock();
  const way = new LocalWay(clock);
  const arrived: string[] = [];
  const send = (name: string): void => way.send(() => void arrived.push(`${name} at ${clock.monotonic().toFixed(2)}`));
  send("a");
  send("b");
  clock.advance(localWay / 2);
  send("c");
  assert.deepEqual(arrived, []);
  clock.step();
  assert.deepEqual(arrived, ["a at 0.10", "b at 0.10"]);
  send("d");
  clock.step();
  clock.step();
  assert.deepEqual(arrived.slice(2), ["c at 0.15", "d at 0.20"]);
  assert.equal(clock.next, undefined);
});
