import assert from "node:assert/strict";
import { test } from "node:test";
import { agreement } from "./agreement.ts";
import { mutants } from "./mutants.ts";

const seed = 20_261_123;

test("engine, flows and switch say what the text says, on 20 000 random packets", () => {
  const { packets, allowed, disagreement } = agreement({ seed, worlds: 170, packetsPerState: 40 });
  assert.equal(disagreement, undefined);
  assert.ok(packets >= 20_000, `${packets} packets`);
  // Samples of which nearly all go one way would prove little.
  assert.ok(allowed > packets * 0.25 && allowed < packets * 0.85, `${allowed} of ${packets} allowed`);
});

for (const [name, mutate] of mutants)
  test(`a compiler that ${name} is caught`, () => {
    const { disagreement } = agreement({ seed, worlds: 90, packetsPerState: 40, mutate });
    assert.notEqual(disagreement, undefined);
  });
