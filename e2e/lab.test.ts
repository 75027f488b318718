import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { runDemo } from "../src/lab/demo/demo.ts";
import { type Lab, labUp } from "../src/lab/lab.ts";
import { defaultPodCidrs, defaultServiceCidrs } from "../src/lab/spec.ts";
import { processesOf } from "../src/lab/supervisor/leftovers.ts";
import { systemRuntime } from "../src/lib/runtime/runtime.ts";
import { labPlace } from "../src/lab/script/place.ts";
import { runScript } from "../src/lab/script/run-script.ts";
import { parseScript } from "../src/lab/script/script.ts";

// One lab of two nodes for all scripts: each keeps to namespaces of its own, three at a time. Those that kill processes come last, one by one.

const folder = fileURLToPath(new URL("./scripts", import.meta.url));
const name = `e2e-${process.pid % 100_000}`;
let lab: Lab;

before(async () => {
  const spec = {
    name,
    nodes: 2,
    controllers: 2,
    podCidrs: defaultPodCidrs,
    serviceCidrs: defaultServiceCidrs,
    uplink: false,
    clusterDns: true,
    fromSource: false,
  };
  lab = await labUp({ runtime: systemRuntime({ level: "warn" }), spec });
});

after(async () => {
  await lab?.down();
});

const files = readdirSync(folder)
  .filter((entry) => entry.endsWith(".script"))
  .sort();
/** Scripts of this number and above kill processes of the lab. */
const firstKilling = "80";
/** The longest takes one; each wait in a script has a limit of its own. */
const scriptLimitMs = 20 * 60_000;

const play = (file: string): void =>
  void test(file, { timeout: scriptLimitMs }, async () => {
    await runScript({ script: parseScript(readFileSync(`${folder}/${file}`, "utf8")), place: labPlace(lab) });
  });

// Half of a script's time is waiting: of two cores, two at a time used 69 %. What waits longest comes first.
describe("scripts", { concurrency: 3 }, () => {
  for (const file of files.filter((each) => each < firstKilling)) play(file);
});

describe("scripts that kill", () => {
  for (const file of files.filter((each) => each >= firstKilling)) play(file);
});

test("the demo sees what it expects", async () => {
  const lines: string[] = [];
  const { passed, failed } = await runDemo({ kubeconfig: lab.paths.adminKubeconfig, print: (text) => lines.push(text) });
  assert.equal(failed, 0, lines.join("\n"));
  assert.ok(passed > 0);
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
