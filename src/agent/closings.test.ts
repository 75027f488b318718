import assert from "node:assert/strict";
import { test } from "node:test";
import { createClosings } from "./closings.ts";

test("work is closed at once, connections behind all of it, the latest first", async () => {
  const closings = createClosings();
  const closed: string[] = [];
  const slow = Promise.withResolvers<void>();
  closings.connection(() => void closed.push("database"));
  closings.connection(async () => void closed.push("netlink"));
  closings.work(() => slow.promise.then(() => void closed.push("slow")));
  closings.work(async () => void closed.push("quick"));
  const over = closings.close();
  await new Promise(setImmediate);
  assert.deepEqual(closed, ["quick"]);
  slow.resolve();
  await over;
  assert.deepEqual(closed, ["quick", "slow", "netlink", "database"]);
});

test("what a start opens behind the end is closed as soon as it is told", async () => {
  const closings = createClosings();
  await closings.close();
  const closed: string[] = [];
  closings.work(async () => void closed.push("server"));
  closings.connection(() => void closed.push("connection"));
  assert.deepEqual(closed, ["server", "connection"]);
});
