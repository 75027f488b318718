import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const program = fileURLToPath(new URL("testing/exits.ts", import.meta.url));
/** Well below the minute after which a wait looks around by itself. */
const limit = 40_000;

for (const moment of ["starting", "watching", "stopping"])
  test(`a process that exits while a watch is ${moment} ends, though a thread waits in the kernel`, () => {
    const { status, signal, stderr } = spawnSync(process.execPath, [program, moment], {
      encoding: "utf8",
      timeout: limit,
      killSignal: "SIGKILL",
    });
    assert.deepEqual({ status, signal, stderr }, { status: 3, signal: null, stderr: "" });
  });
