import assert from "node:assert/strict";
import { test } from "node:test";
import { StatusError } from "#lib/apiserver/errors.ts";
import { milliseconds, seconds, seededRandom, virtualClock } from "#lib/runtime/index.ts";
import { createPacing, type Pacing } from "./pacing.ts";

const clock = virtualClock();
const never = new AbortController().signal;
const sinkOf = (pendingBytes: number) => ({ send: () => true, close() {}, pendingBytes });
const pacingOf = (limitWaiting?: number): Pacing =>
  createPacing({ clock, random: seededRandom(1), limitBytes: 100, ...(limitWaiting !== undefined && { limitWaiting }) });

let came = 0;

/** Comes, waits while it must, and begins with `bytes`. */
async function come(pacing: Pacing, { bytes, signal = never }: { readonly bytes: number; readonly signal?: AbortSignal }) {
  const arrival = pacing.arrive(`node-${came++}`, signal);
  while (!arrival.mayBegin()) await arrival.turn();
  const sink = sinkOf(bytes);
  pacing.began(sink);
  return sink;
}

/** Lets the clock go on until then, and promises with it. */
async function passes(duration: number): Promise<void> {
  const until = clock.monotonic() + duration;
  while (clock.monotonic() < until) {
    clock.advance(milliseconds(5));
    await new Promise(setImmediate);
  }
}

/** When it was asked to come back. */
function sentAwayFor(error: unknown): number | undefined {
  assert.ok(error instanceof StatusError && error.httpStatus === 429);
  return error.details.retryAfterSeconds;
}

test("who comes while what others began with has not left waits, and is let in when it has, one after the other", async () => {
  const pacing = pacingOf();
  const first = [await come(pacing, { bytes: 60 }), await come(pacing, { bytes: 60 })];
  const begun: string[] = [];
  const later = ["a", "b", "c"].map(async (name) => {
    const sink = await come(pacing, { bytes: 70 });
    begun.push(name);
    return sink;
  });
  await passes(seconds(1));
  assert.deepEqual(begun, []);
  for (const sink of first) sink.pendingBytes = 0;
  await passes(100);
  assert.deepEqual(begun, ["a", "b"], "two of them are above the limit");
  assert.equal(pacing.arrive("another", never).mayBegin(), false, "nobody comes before those that wait");
  for (const sink of await Promise.all(later.slice(0, 2))) sink.pendingBytes = 0;
  await passes(100);
  assert.deepEqual(begun, ["a", "b", "c"]);
});

test("who has waited for five seconds is told when to come back, and so is one that is too many", async () => {
  const pacing = pacingOf(50);
  await come(pacing, { bytes: 200 });
  const waits = Array.from({ length: 50 }, () => come(pacing, { bytes: 1 }).then(() => assert.fail("let in"), sentAwayFor));
  await assert.rejects(come(pacing, { bytes: 1 }), (error) => sentAwayFor(error) !== undefined);
  await passes(seconds(6));
  const asked = await Promise.all(waits);
  assert.deepEqual([...new Set(asked)].sort(), [1, 2, 3], "not all at the same moment");
});

test("who leaves while waiting is forgotten", async () => {
  const pacing = pacingOf();
  const first = await come(pacing, { bytes: 200 });
  const leaving = new AbortController();
  const left = come(pacing, { bytes: 1, signal: leaving.signal });
  const why = new Error("gone");
  leaving.abort(why);
  await assert.rejects(left, why);
  first.pendingBytes = 0;
  assert.ok(pacing.arrive("another", never).mayBegin());
});
