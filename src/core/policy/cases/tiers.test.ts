import assert from "node:assert/strict";
import { test } from "node:test";
import { orderedCases } from "./catalogue.ts";
import { runInMemory } from "./run-in-memory.ts";

for (const policyCase of orderedCases)
  test(`${policyCase.id} on switches in memory: ${policyCase.title}`, () => {
    const wrong = runInMemory(policyCase);
    assert.equal(wrong.length, 0, `${wrong.length} rows disagree; the first: ${wrong[0]}`);
  });
