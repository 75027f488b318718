import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { promisify } from "node:util";
import { runDemo } from "../src/lab/demo/demo.ts";
import type { Lab } from "../src/lab/lab.ts";
import { processesOf } from "../src/lab/supervisor/leftovers.ts";
import { playScript, scriptLab, scriptLimitMs, scripts } from "./script-lab.ts";

// One lab of two nodes for all scripts that kill nothing: each keeps to namespaces of its own, three at a time.

const name = `e2e-${process.pid % 100_000}`;
let lab: Lab;

before(async () => {
  lab = await scriptLab(name);
});

after(async () => {
  await lab?.down();
});

// Half of a script's time is waiting: of two cores, two at a time used 69 %.
describe("scripts", { concurrency: 3 }, () => {
  for (const file of scripts.peaceful) test(file, { timeout: scriptLimitMs }, () => playScript(lab, file));
});

test("the demo sees what it expects", async () => {
  const lines: string[] = [];
  const { passed, failed } = await runDemo({ kubeconfig: lab.paths.adminKubeconfig, print: (text) => lines.push(text) });
  assert.equal(failed, 0, lines.join("\n"));
  assert.ok(passed > 0);
});

/** What lets its holder in, or proves who somebody is, wherever it stands in a file. */
const secrets = /PRIVATE KEY-----|"?client-key-data"?:|^eyJ[\w-]+\.eyJ|\bBearer eyJ/m;

test("keys and tokens are for root alone, and stand in no log", () => {
  const found: string[] = [];
  // Below a container runtime's folder are pods' files, which are theirs, and images.
  const folders = [lab.paths.root];
  for (const at of folders)
    for (const entry of readdirSync(at, { withFileTypes: true })) {
      const path = join(at, entry.name);
      if (entry.isDirectory() && !["containerd", "pods"].includes(entry.name)) folders.push(path);
      if (!entry.isFile() || !secrets.test(readFileSync(path, "latin1"))) continue;
      found.push(path);
      assert.equal(statSync(path).mode & 0o777, 0o600, path);
      assert.doesNotMatch(path, /\.log$/);
    }
  assert.ok(found.some((path) => path.endsWith(".key")) && found.includes(lab.paths.adminKubeconfig), found.join(", "));
});

test("of the machine's ports one is the lab's, on loopback", async () => {
  const { stdout } = await promisify(execFile)("ss", ["--no-header", "--listening", "--numeric", "--tcp", "--udp", "--processes"]);
  const pids = new Set(processesOf(name).map(String));
  pids.add(String(process.pid));
  const ours = stdout.split("\n").filter((line) => [...line.matchAll(/pid=(\d+)/g)].some(([, pid = ""]) => pids.has(pid)));
  assert.deepEqual(
    ours.map((line) => line.split(/\s+/)[4]?.replace(/\d+$/, "PORT")),
    ["127.0.0.1:PORT"],
    ours.join("\n"),
  );
});

test("going down leaves no process, namespace, mount or file", async () => {
  await lab.down();
  assert.deepEqual(processesOf(name), []);
  assert.equal(existsSync(lab.paths.root), false);
  assert.deepEqual(
    readdirSync("/var/run/netns").filter((netns) => netns.startsWith(`${name}-`)),
    [],
  );
  assert.doesNotMatch(readFileSync("/proc/self/mountinfo", "utf8"), new RegExp(`${lab.paths.root}/`));
});
