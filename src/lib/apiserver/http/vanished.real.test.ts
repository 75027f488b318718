import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { test } from "node:test";
import { promisify } from "node:util";

const program = fileURLToPath(new URL("../testing/vanishing-client.ts", import.meta.url));

for (const version of ["1.1", "2"])
  test(`a watch ends whose client is gone without a word, by HTTP/${version}`, { timeout: 120_000 }, async () => {
    const { stdout } = await promisify(execFile)("unshare", ["--net", process.execPath, program, version]);
    assert.equal(stdout, "gone\n");
  });
