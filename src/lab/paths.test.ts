import assert from "node:assert/strict";
import { test } from "node:test";
import { labPaths, labsFolder } from "./paths.ts";

test("only a lab's name leads to files: what lab down removes is below the labs' folder", () => {
  assert.equal(labPaths("lab-2").root, `${labsFolder}/lab-2`);
  for (const name of ["", ".", "..", "../..", "a/b", "a/../../..", "A", "-a", "a-", "a b", "a\n", "x".repeat(21)])
    assert.throws(() => labPaths(name), { code: "INVALID_LAB_OPTION" }, JSON.stringify(name));
});
