import assert from "node:assert/strict";
import { test } from "node:test";
import type { ComputedRevisions } from "#core/api/controlplane/index.ts";
import { milliseconds, seconds, seededRandom, silentLogger, virtualClock } from "#lib/runtime/index.ts";
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

test("members have rounds too, at most one a second, behind those of policies; what is in the switch when a round begins is proven by it", async () => {
  const { rounds, clock, looks, provenAll, settled } = start();
  rounds.contains(upTo("1"), { changed: true });
  await settled();
  rounds.contains(upTo("2"), { changed: true });
  looks.shift()?.({ readMs: 0 });
  await settled();
  assert.deepEqual(provenAll.splice(0), ["1"], "what came during the reading belongs to the next");
  clock.advance(milliseconds(999));
  await settled();
  assert.equal(looks.length, 0);
  rounds.add(policy("a"));
  await settled();
  assert.equal(looks.length, 1, "a policy is a reason to begin at once");
  looks.shift()?.({ readMs: 0 });
  await settled();
  assert.deepEqual(provenAll.splice(0), ["2"]);
  rounds.contains(upTo("3"), { changed: false });
  assert.deepEqual(provenAll.splice(0), ["3 nothing new"], "where nothing changed nothing has to be read");
});

test("members that are contradicted, or in doubt, are proven by no later word of how far things are", async () => {
  const { rounds, clock, looks, provenAll, settled } = start();
  rounds.contains(upTo("1"), { changed: true });
  await settled();
  looks.shift()?.({ readMs: 0, contradiction: "1 flow is missing" });
  await settled();
  rounds.contains(upTo("2"), { changed: false });
  await settled();
  clock.advance(seconds(1));
  await settled();
  looks.shift()?.({ readMs: 0, doubt: "no such socket" });
  await settled();
  assert.deepEqual(provenAll, []);
  clock.advance(seconds(2));
  await settled();
  looks.shift()?.({ readMs: 0 });
  await settled();
  assert.equal(provenAll[0], "2");
});

const upTo = (pods: string): ComputedRevisions => ({ cluster: "c", pods, namespaces: "", networkpolicies: "" });

function start() {
  const clock = virtualClock();
  const looks: ((proof: Proof) => void)[] = [];
  const proven: string[] = [];
  const provenAll: string[] = [];
  const rounds = createProofRounds({
    runtime: { clock, random: seededRandom(1), logger: silentLogger },
    prove: () => new Promise((resolve) => looks.push(resolve)),
    proven: ({ name }) => void proven.push(name),
    provenAll: ({ pods }, { isNew }) => void provenAll.push(isNew ? pods : `${pods} nothing new`),
    membersEvery: () => seconds(1),
    signal: new AbortController().signal,
  });
  return { rounds, clock, looks, proven, provenAll, settled: () => new Promise<void>((resolve) => setImmediate(resolve)) };
}
