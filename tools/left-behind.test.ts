import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { endAll, pidsOf, processesOf, removeOrphans, runVariable, whenEnded } from "./left-behind.ts";

const run = promisify(execFile);

test("what a run left is found by its environment, asked to end, and killed when it does not hear; others are left alone", async (context) => {
  const folder = `/no/folder/of/${process.pid}`;
  const start = (name: string, script: string) => {
    const child = spawn(process.execPath, ["-e", `${script}; console.log(""); setInterval(() => {}, 1_000)`], {
      env: { ...process.env, [runVariable]: name },
      stdio: ["ignore", "pipe", "ignore"],
    });
    context.after(() => child.kill("SIGKILL"));
    return child;
  };
  const heard = start(folder, "process.on('SIGTERM', () => process.exit(7))");
  const other = start(`${folder}-other`, "");
  await Promise.all([heard, other].map((child) => once(child.stdout, "data")));
  assert.deepEqual(
    processesOf(folder).map(({ pid }) => pid),
    [heard.pid],
  );
  assert.equal((await whenEnded(folder, 0)).length, 1);
  await endAll(folder);
  assert.deepEqual(processesOf(folder), []);
  assert.equal(heard.exitCode ?? (await once(heard, "exit"))[0], 7);
  assert.equal(other.exitCode, null);
});

test("of what tests made, a run removes what is named after its own processes", async (context) => {
  const folder = await mkdtemp(join(tmpdir(), "left-behind-"));
  context.after(() => rm(folder, { recursive: true }));
  // No process has this number: the kernel's largest is 2^22 (proc(5), pid_max).
  const [own, others] = ["left-behind-99999991-a", "left-behind-99999992"];
  for (const name of [own, others]) await run("ip", ["netns", "add", name]);
  context.after(() => run("ip", ["netns", "del", others]));
  const made = await mkdtemp(join(tmpdir(), `${own}-`));
  await writeFile(join(made, "conf.db"), "");
  assert.deepEqual(await removeOrphans(folder), []);
  await writeFile(pidsOf(folder), "1\n99999991\n");
  assert.deepEqual(await removeOrphans(folder), [`network namespace ${own}`, `folder ${made}`]);
  assert.match((await run("ip", ["netns", "list"])).stdout, new RegExp(`^${others}\\b`, "m"));
});
