import assert from "node:assert/strict";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync, watch, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { isAlive, processesMarked } from "../../src/lab/supervisor/leftovers.ts";
import { soakMark, testsPass } from "./tests-pass.ts";

const folder = mkdtempSync(join(tmpdir(), "tests-pass-"));
after(() => rmSync(folder, { recursive: true }));
// The tests that are started here are no part of this run.
delete process.env.NODE_TEST_CONTEXT;

const testFile = (name: string, text: string): string => {
  const file = join(folder, name);
  writeFileSync(file, text);
  return file;
};
const args = (file: string): readonly string[] => ["--test", "--test-reporter=dot", file];

test("the end of a test by a signal is that of the daemon it started", async () => {
  const pidFile = join(folder, "pid");
  const file = testFile(
    "daemon.test.mjs",
    `import { spawn } from "node:child_process";
     import { renameSync, writeFileSync } from "node:fs";
     import { test } from "node:test";
     test("waits", () => new Promise(() => {
       const daemon = spawn("sleep", ["600"], { detached: true, stdio: "ignore" });
       writeFileSync("${pidFile}.new", String(daemon.pid));
       renameSync("${pidFile}.new", "${pidFile}");
     }));`,
  );
  const end = new AbortController();
  const watcher = watch(folder);
  const passed = testsPass({ args: args(file), environment: {}, signal: end.signal });
  while (!existsSync(pidFile)) await once(watcher, "change");
  watcher.close();
  const daemon = Number(readFileSync(pidFile, "utf8"));
  assert.ok(isAlive(daemon));
  end.abort();
  assert.equal(await passed, false);
  assert.ok(!isAlive(daemon));
  assert.deepEqual(processesMarked(`${soakMark}=${process.pid}`), []);
});

test("tests that are not interrupted are told by how they end; none begins behind a signal", async () => {
  const { signal } = new AbortController();
  const good = testFile("good.test.mjs", `import { test } from "node:test"; test("ok", () => {});`);
  const bad = testFile("bad.test.mjs", `import { test } from "node:test"; test("not", () => { throw new Error(process.env.WORD); });`);
  assert.equal(await testsPass({ args: args(good), environment: {}, signal }), true);
  assert.equal(await testsPass({ args: args(bad), environment: { WORD: "no" }, signal }), false);
  assert.equal(await testsPass({ args: args(good), environment: {}, signal: AbortSignal.abort() }), false);
});
