import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { cataloguePath, errorEntries, formatCatalogue } from "./error-catalogue.ts";

test("docs/errors.md lists every error code as the classes have it (node tools/error-catalogue.ts writes it)", () => {
  assert.equal(readFileSync(cataloguePath, "utf8"), formatCatalogue(errorEntries()));
});

test("no two classes share a code in one package", () => {
  const seen = new Map<string, string>();
  for (const { code, file, name } of errorEntries()) {
    const key = `${file} ${code}`;
    assert.equal(seen.get(key), undefined, `${code} of ${name} in ${file}`);
    seen.set(key, name);
  }
});
