import assert from "node:assert/strict";
import { test } from "node:test";
import { createPace, inOnePart, type Parts } from "./parts.ts";
import { createTurns } from "./turns.ts";

/** A clock that goes on by `step` with every look, and an event loop that turns when told to. */
function fakeLoop(step: number) {
  let now = 0;
  const soon: (() => void)[] = [];
  const clock = {
    monotonic() {
      now += step;
      return now;
    },
    soon: (run: () => void) => void soon.push(run),
  };
  return { clock, turns: createTurns(clock), turn: () => soon.shift()?.(), waiting: () => soon.length };
}

/** Lets promises that are settled go on. */
const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test("short work does not rest, long work rests between its parts", async () => {
  const { clock, turns, turn, waiting } = fakeLoop(1);
  function* count(most: number): Parts<number> {
    for (let number = 0; number < most; number++) yield;
    return most;
  }
  assert.equal(createPace(clock, turns, 100).run(count(20)), 20);
  assert.equal(createPace(clock, turns, 100).rest(), undefined);
  const counted = createPace(clock, turns, 10).run(count(40));
  assert.ok(counted instanceof Promise);
  let rests = 0;
  for (; waiting() > 0; rests++) {
    turn();
    await settle();
  }
  assert.equal(await counted, 40);
  assert.ok(rests >= 3, String(rests));
});

test("of several that are long one goes on in a turn, and one that fails is told of it", async () => {
  const { clock, turns, turn, waiting } = fakeLoop(10);
  const done: string[] = [];
  function* steps(name: string): Parts<string> {
    for (let step = 1; step <= 2; step++) {
      done.push(`${name}${step}`);
      yield;
    }
    if (name === "b") throw new Error("no more");
    return name;
  }
  const results = ["a", "b"].map((name) => createPace(clock, turns, 10).run(steps(name)));
  for (const wanted of [["a1"], ["a1", "b1"], ["a1", "b1", "a2"], ["a1", "b1", "a2", "b2"]]) {
    turn();
    await settle();
    assert.deepEqual(done, wanted);
  }
  const ended = Promise.allSettled(results);
  while (waiting() > 0) {
    turn();
    await settle();
  }
  const [first, second] = await ended;
  assert.deepEqual([first?.status, second?.status], ["fulfilled", "rejected"]);
});

test("work of one part is done at once", () => {
  const { clock, turns } = fakeLoop(0);
  assert.equal(createPace(clock, turns).run(inOnePart((number: number) => number + 1)(1)), 2);
});
