import assert from "node:assert/strict";
import { test } from "node:test";
import { retryUntilDone } from "./backoff.ts";
import { sleep, virtualClock } from "./clock.ts";
import { formatDuration, hours, minutes, parseDuration, seconds } from "./duration.ts";
import { createLogger } from "./logger.ts";
import { nameSuffix, seededRandom, systemRandom, uuid } from "./random.ts";

test("virtual timers fire in order of their due time", () => {
  const clock = virtualClock();
  const fired: string[] = [];
  clock.after(20, () => fired.push("second"));
  clock.after(10, () => fired.push("first"));
  clock.after(10, () => fired.push("first again"));
  clock.after(15, () => fired.push("never")).cancel();
  clock.advance(20);
  assert.deepEqual(fired, ["first", "first again", "second"]);
  assert.equal(clock.monotonic(), 20);
});

test("virtual timers cancelled in any number and order leave the others as they were", () => {
  const clock = virtualClock();
  const random = seededRandom(3);
  const fired: number[] = [];
  const kept: number[] = [];
  const timers = Array.from({ length: 1_000 }, (_, index) => {
    const due = random.below(500);
    return { due, index, timer: clock.after(due, () => fired.push(due * 1_000 + index)) };
  });
  for (const { due, index, timer } of timers)
    if (random.below(4) === 0) kept.push(due * 1_000 + index);
    else timer.cancel();
  clock.soon(() => fired.push(-1));
  assert.equal(clock.next, 0);
  clock.advance(500);
  const atOnce = kept.filter((at) => at < 1_000);
  assert.deepEqual(fired, [...atOnce, -1, ...kept.filter((at) => at >= 1_000).sort((one, other) => one - other)]);
  assert.equal(clock.next, undefined);
});

test("sleep ends early when aborted", async () => {
  const clock = virtualClock();
  const stop = new AbortController();
  const sleeping = sleep(clock, seconds(10), stop.signal);
  stop.abort(new Error("enough"));
  await assert.rejects(sleeping, /enough/);
  assert.equal(clock.step(), false);
});

test("retryUntilDone waits longer after each failure", async () => {
  const clock = virtualClock();
  const waits: number[] = [];
  let left = 3;
  const done = retryUntilDone(
    { clock, random: seededRandom(1) },
    () => (left-- > 0 ? Promise.reject(new Error("not yet")) : Promise.resolve("done")),
    { initial: 100, limit: 10_000, onFailure: (_error, wait) => waits.push(wait) },
  );
  const drive = async (): Promise<void> => {
    for (let turn = 0; turn < 50; turn++) {
      await Promise.resolve();
      clock.step();
    }
  };
  await drive();
  assert.equal(await done, "done");
  assert.equal(waits.length, 3);
  assert.ok(waits.every((wait, index) => wait >= 80 * 2 ** index && wait <= 120 * 2 ** index));
});

test("equal seeds give equal sequences; limits hold", () => {
  const [one, other] = [seededRandom(7), seededRandom(7)];
  for (let turn = 0; turn < 100; turn++) {
    const value = one.below(10);
    assert.equal(value, other.below(10));
    assert.ok(value >= 0 && value < 10);
  }
  assert.ok(systemRandom.below(3) < 3);
  assert.match(uuid(seededRandom(1)), /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  assert.equal(nameSuffix(seededRandom(1)).length, 5);
});

test("durations read and print as in Go", () => {
  assert.equal(parseDuration("1h15m30.5s"), hours(1) + minutes(15) + 30_500);
  for (const text of ["", "1", "1x", "s", "-1s"]) assert.equal(parseDuration(text), undefined, text);
  assert.deepEqual([250, 1_500, 120_000, 12_000_000].map(formatDuration), ["250ms", "1.5s", "2m0s", "3h20m0s"]);
});

test("a logger prints one JSON line per event and obeys its level, which its children share", () => {
  const lines: string[] = [];
  const logger = createLogger({ clock: virtualClock(), write: (line) => lines.push(line), level: "info" });
  const child = logger.with({ bridge: "br-int" });
  child.debug("unseen");
  logger.level = "debug";
  child.debug("seen", { error: new TypeError("why") });
  assert.deepEqual(
    lines.map((line) => JSON.parse(line)),
    [{ time: "2026-01-01T00:00:00.000Z", level: "debug", message: "seen", bridge: "br-int", error: { name: "TypeError", message: "why" } }],
  );
});
