import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { test } from "node:test";
import { labPaths } from "./paths.ts";
import { claimLab, runningSupervisor } from "./running.ts";

test("a lab runs when the very process that claimed it does", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "lab-running-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const paths = { ...labPaths("lab"), pidFile: join(folder, "supervisor.pid") };
  assert.equal(runningSupervisor(paths), undefined, "no file");

  const program = `import { claimLab } from ${JSON.stringify(join(import.meta.dirname, "running.ts"))};
    claimLab({ pidFile: ${JSON.stringify(paths.pidFile)} }); console.log("claimed"); setInterval(() => {}, 1000);`;
  const owner = spawn(process.execPath, ["--input-type=module-typescript", "--eval", program], { stdio: ["ignore", "pipe", "inherit"] });
  t.after(() => owner.kill("SIGKILL"));
  await once(owner.stdout, "data");
  assert.equal(runningSupervisor(paths), owner.pid);

  const [pid, started] = readFileSync(paths.pidFile, "utf8").trim().split(" ");
  writeFileSync(paths.pidFile, `${pid} ${Number(started) + 1}\n`);
  assert.equal(runningSupervisor(paths), undefined, "the id belongs to somebody else by now");
  for (const garbage of ["", "x", "-1 1", "0", String(process.ppid), "1e99 1"]) {
    writeFileSync(paths.pidFile, garbage);
    assert.equal(runningSupervisor(paths), undefined, garbage);
  }
  // A shell that never waits for its child leaves it as a zombie.
  const parent = spawn(
    "sh",
    ["-c", '"$0" "$@" & echo $!; exec sleep 60', process.execPath, "--input-type=module-typescript", "--eval", program],
    {
      stdio: ["ignore", "pipe", "inherit"],
    },
  );
  t.after(() => parent.kill("SIGKILL"));
  let said = "";
  for await (const chunk of parent.stdout) {
    said += String(chunk);
    if (said.includes("claimed")) break;
  }
  const child = Number.parseInt(said, 10);
  assert.equal(runningSupervisor(paths), child);
  process.kill(child, "SIGKILL");
  while (!/\) Z /.test(readFileSync(`/proc/${child}/stat`, "utf8"))) await new Promise((resolve) => setTimeout(resolve, 5));
  assert.equal(runningSupervisor(paths), undefined, "killed, and not reaped");

  claimLab(paths);
  assert.equal(runningSupervisor(paths), undefined, "one's own claim is in nobody's way");
});
