import assert from "node:assert/strict";
import { test } from "node:test";
import { seconds, virtualClock } from "#lib/runtime/index.ts";
import { createSilenceGuard } from "./silence.ts";

test("aborts when nothing was heard for the limit, counted from what was heard last", () => {
  const clock = virtualClock();
  const guard = createSilenceGuard({ clock, limit: seconds(10), signal: new AbortController().signal });
  clock.advance(seconds(100));
  assert.deepEqual([guard.listening, guard.signal.aborted], [false, false], "nothing counts before the first word");
  guard.heard();
  for (let round = 0; round < 5; round++) {
    clock.advance(seconds(9));
    guard.heard();
  }
  assert.equal(guard.signal.aborted, false);
  clock.advance(seconds(10));
  assert.match(String(guard.signal.reason), /nothing heard for 10 s/);
});

test("one that is stopped leaves no timer, and the outer signal ends it too", () => {
  const clock = virtualClock();
  const outer = new AbortController();
  const guard = createSilenceGuard({ clock, limit: seconds(10), signal: outer.signal });
  guard.heard();
  guard.stop();
  assert.equal(clock.step(), false);
  outer.abort();
  assert.equal(guard.signal.aborted, true);
});
