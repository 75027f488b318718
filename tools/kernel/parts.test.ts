import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { createTimeTable, parts, shellWords } from "./parts.ts";

const run = promisify(execFile);

test("parts are of files that are there, none in two of them", () => {
  const files = parts.flatMap((part) => part.files);
  assert.deepEqual(
    files.filter((file) => !existsSync(fileURLToPath(new URL(`../../${file}`, import.meta.url)))),
    [],
  );
  assert.equal(new Set(files).size, files.length);
});

test("what the shell prints becomes a table: what each file took, which failed, which did not run", async () => {
  const seconds = [0, 10, 25, 65];
  const times = createTimeTable(["a.ts", "b.ts", "c.ts"], () => seconds.shift() ?? Number.NaN);
  const program = shellWords(["a.ts", "b.ts"], []).replaceAll("node --test-reporter=spec --test-force-exit dist/testing/a.js", "true");
  // there is no bundle of b: that is a failure
  const { stdout } = await run("sh", ["-c", `cd / && (${program}) || true`]);
  const heard = stdout.trim().split("\n");
  assert.deepEqual(
    heard.map((line, index) => times.hear(line, index * 7)),
    [true, true, true],
  );
  assert.equal(times.hear("✔ a test", 30), false);
  assert.deepEqual(
    times.lines().map((line) => line.replaceAll(/ +/g, " ").trim()),
    [
      "passed start of the machine 10 s 0 s of processor time",
      "passed a.ts 15 s 7 s of processor time",
      "FAILED b.ts 40 s 7 s of processor time",
      "not run c.ts",
      "together 65 s 14 s of processor time",
    ],
  );
});
