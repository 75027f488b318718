import assert from "node:assert/strict";
import { test } from "node:test";
import { rowMutants } from "./row-mutants.ts";
import { rowsAgreement } from "./rows-agreement.ts";

const seed = 20_261_128;

test("rows of all kinds of policies say what the text says, on 20 000 random packets", () => {
  const { packets, allowed, disagreement } = rowsAgreement({ seed, worlds: 260, packetsPerState: 30 });
  assert.equal(disagreement, undefined);
  assert.ok(packets >= 20_000, `${packets} packets`);
  // Samples of which nearly all go one way would prove little.
  assert.ok(allowed > packets * 0.25 && allowed < packets * 0.85, `${allowed} of ${packets} allowed`);
});

for (const [name, mutate] of rowMutants)
  test(`an engine that ${name} is caught`, () => {
    assert.notEqual(rowsAgreement({ seed, worlds: 260, packetsPerState: 30, mutate }).disagreement, undefined);
  });
