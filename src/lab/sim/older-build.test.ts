import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { seconds } from "#lib/runtime/index.ts";
import { type Build, loadBuild, thisBuild } from "./builds.ts";
import { generateScenario } from "./generate.ts";
import { runScenario } from "./run.ts";

/** The version before. Its snapshots have another format, and its lookups other cookies. */
const olderCommit = "d51595ffdf57c940e5921e91f48321a1b7706ce5";
const root = fileURLToPath(new URL("../../..", import.meta.url));
const git = (...args: readonly string[]): Buffer =>
  execFileSync("git", ["-C", root, ...args], { maxBuffer: 2 ** 28, stdio: ["ignore", "pipe", "ignore"] });

function whyNot(): string | false {
  try {
    git("cat-file", "-e", olderCommit);
    return false;
  } catch {
    return `this checkout has no history back to ${olderCommit}`;
  }
}

test("agents and controllers of the version before work with those of this one, up and down again, while they are killed, cut off and slow", {
  skip: whyNot(),
}, async (context) => {
  const folder = mkdtempSync(join(tmpdir(), "older-build-"));
  context.after(() => rmSync(folder, { recursive: true }));
  execFileSync("tar", ["-x", "-C", folder], { input: git("archive", olderCommit, "src", "package.json") });
  symlinkSync(join(root, "node_modules"), join(folder, "node_modules"));
  const started = { older: 0, this: 0 };
  const counted = (name: keyof typeof started, build: Build): Build => ({
    ...build,
    runAgent(options) {
      started[name]++;
      return build.runAgent(options);
    },
  });
  const builds = [counted("this", thisBuild), counted("older", await loadBuild(folder))] as const;
  for (const size of [
    { seed: 1, controllers: 2, duration: seconds(60), faultsPerMinute: 15 },
    // An agent of before is started again over flows of this version, whose snapshot it cannot read.
    { seed: 42, controllers: 1, duration: seconds(50), faultsPerMinute: 25 },
  ]) {
    const scenario = generateScenario({ ...size, nodes: 4, pods: 12 });
    const { problems, figures } = await runScenario({ scenario, builds });
    assert.deepEqual(problems, []);
    assert.ok(figures.packets > 300);
  }
  // Four nodes begin in each run; what is more was started again, with the other version.
  assert.ok(started.older > 4 && started.this > 4, JSON.stringify(started));
});
