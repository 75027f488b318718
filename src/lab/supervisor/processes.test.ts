import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { silentLogger, systemRuntime } from "#lib/runtime/index.ts";
import { supervise } from "./processes.ts";

test("a process that could not be launched again is launched once more", async (context) => {
  const folder = await mkdtemp(join(tmpdir(), "supervise-"));
  const end = new AbortController();
  let launches = 0;
  const third = Promise.withResolvers<void>();
  const supervised = supervise({
    runtime: { ...systemRuntime({ level: "error" }), logger: silentLogger },
    lab: `supervise-${process.pid}`,
    spec: {
      name: "sleeper",
      command: "sleep",
      args: ["600"],
      logFile: join(folder, "log"),
      async beforeStart() {
        if (++launches === 2) throw new Error("what it needs is not there yet");
      },
      async ready() {
        if (launches === 3) third.resolve();
      },
    },
    signal: end.signal,
  });
  context.after(async () => {
    await supervised.stop();
    end.abort();
    await rm(folder, { recursive: true });
  });
  await supervised.start();
  const { pid } = supervised;
  assert.ok(pid);
  process.kill(pid, "SIGKILL");
  await third.promise;
  await new Promise(setImmediate);
  assert.equal(supervised.state, "running");
  assert.equal(supervised.restarts, 2);
  assert.notEqual(supervised.pid, pid);
});
