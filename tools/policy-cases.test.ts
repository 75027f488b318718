import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { absentCases, orderedCases, policyCases } from "../src/core/policy/cases/catalogue.ts";
import { page } from "./policy-cases.ts";

test("the page lists every case, and those left out; what it says of the switch in memory is that all pass", () => {
  const text = readFileSync(page, "utf8");
  const listed = (id: string): string | undefined =>
    text.split("\n").find((line) => line.startsWith(`| ${id} |`) || line.startsWith(`| ${id}, `));
  assert.deepEqual(
    [...policyCases, ...orderedCases, ...absentCases].map(({ id }) => id).filter((id) => listed(id) === undefined),
    [],
    "run node tools/policy-cases.ts",
  );
  assert.deepEqual(
    [...policyCases, ...orderedCases].map(({ id }) => id).filter((id) => !listed(id)?.includes("| passed |")),
    [],
  );
});
