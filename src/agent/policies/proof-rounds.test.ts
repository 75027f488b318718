import assert from "node:assert/strict";
import { test } from "node:test";
import { seconds, seededRandom, silentLogger, virtualClock } from "#lib/runtime/index.ts";
import { policy } from "../testing/policies.ts";
import { createProofRounds, type Proof } from "./proof-rounds.ts";

test("one round is for all that wait; the next rests for twenty times what reading took", async () => {
  const { rounds, clock, looks, proven, settled } = start();
  for (const name of ["a", "b"]) rounds.add(policy(name));
  await settled();
  rounds.add(policy("c"));
  looks.shift()?.({ readMs: 100 });
  await settled();
  assert.deepEqual(proven.splice(0), ["a", "b"], "what came later than the beginning of a round waits for the next");
  assert.equal(looks.length, 0);
  clock.advance(seconds(2));
  await settled();
  looks.shift()?.({ readMs: 100 });
  await settled();
  assert.deepEqual(proven.splice(0), ["c"]);
  clock.advance(seconds(10));
  await settled();
  assert.equal(looks.length, 0, "nothing waits");
});

test("a contradiction is looked at again by backoff, or at once when something new waits", async () => {
  const { rounds, clock, looks, proven, settled } = start();
  rounds.add(policy("a"));
  await settled();
  looks.shift()?.({ readMs: 0, contradiction: "1 flow is missing" });
  await settled();
  assert.equal(looks.length, 0);
  rounds.add(policy("b"));
  await settled();
  rounds.forget("b");
  looks.shift()?.({ readMs: 0, contradiction: "1 flow is missing" });
  await settled();
  clock.advance(seconds(30));
  await settled();
  looks.shift()?.({ readMs: 0 });
  await settled();
  assert.deepEqual(proven, ["a"]);
});

function start() {
  const clock = virtualClock();
  const looks: ((proof: Proof) => void)[] = [];
  const proven: string[] = [];
  const rounds = createProofRounds({
    runtime: { clock, random: seededRandom(1), logger: silentLogger },
    prove: () => new Promise((resolve) => looks.push(resolve)),
    proven: ({ name }) => void proven.push(name),
    signal: new AbortController().signal,
  });
  return { rounds, clock, looks, proven, settled: () => new Promise<void>((resolve) => setImmediate(resolve)) };
}
