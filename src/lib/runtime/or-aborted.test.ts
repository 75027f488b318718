import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import { test } from "node:test";
import { orAborted } from "./or-aborted.ts";

test("gives what the work gives, and leaves nothing on the signal", async () => {
  const { signal } = new AbortController();
  assert.equal(await orAborted(Promise.resolve(1), signal), 1);
  await assert.rejects(orAborted(Promise.reject(new RangeError("no")), signal), RangeError);
  await Promise.resolve();
  assert.deepEqual(getEventListeners(signal, "abort"), []);
});

test("rejects with the reason of a signal that aborts first, or had aborted", async () => {
  const control = new AbortController();
  const reason = new Error("enough");
  const waiting = orAborted(new Promise(() => {}), control.signal);
  control.abort(reason);
  await assert.rejects(waiting, reason);
  await assert.rejects(orAborted(new Promise(() => {}), control.signal), reason);
});
