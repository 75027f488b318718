import assert from "node:assert/strict";
import { test } from "node:test";
import { onAbort, whenAborted } from "./on-abort.ts";

test("what an abort ends is ended once, whether it came before or comes later", async () => {
  const stop = new AbortController();
  let calls = 0;
  onAbort(stop.signal, () => calls++);
  const waited = whenAborted(stop.signal);
  assert.equal(calls, 0);
  stop.abort();
  stop.abort();
  await waited;
  assert.equal(calls, 1);
  onAbort(stop.signal, () => calls++);
  assert.equal(calls, 2);
  await whenAborted(stop.signal);
});
