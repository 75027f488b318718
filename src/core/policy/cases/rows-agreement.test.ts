import assert from "node:assert/strict";
import { test } from "node:test";
import { eachOnce } from "../testing/each-once.ts";
import { rowMutants } from "./row-mutants.ts";
import { rowCases, rowsAgreement } from "./rows-agreement.ts";

/** Made and judged once, for the engine as it is and for all mutants. */
const cases = eachOnce(rowCases({ seed: 20_261_128, worlds: 260, packetsPerState: 30 }));

test("rows of all kinds of policies say what the text says, on 20 000 random packets", () => {
  const { packets, allowed, disagreement } = rowsAgreement(cases);
  assert.equal(disagreement, undefined);
  assert.ok(packets >= 20_000, `${packets} packets`);
  // Samples of which nearly all go one way would prove little.
  assert.ok(allowed > packets * 0.25 && allowed < packets * 0.85, `${allowed} of ${packets} allowed`);
});

for (const [name, mutate] of rowMutants)
  test(`an engine that ${name} is caught`, () => {
    assert.notEqual(rowsAgreement(cases, mutate).disagreement, undefined);
  });
