import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { describe, test } from "node:test";
import { promisify } from "node:util";

const program = fileURLToPath(new URL("../testing/vanishing-client.ts", import.meta.url));

// Both wait for TCP, at the same time.
describe("a watch whose client is gone without a word", { concurrency: true, timeout: 240_000 }, () => {
  for (const version of ["1.1", "2"])
    void test(`ends, by HTTP/${version}`, async () => {
      const { stdout } = await promisify(execFile)("unshare", ["--net", process.execPath, program, version], { timeout: 120_000 });
      assert.equal(stdout, "gone\n");
    });
});
