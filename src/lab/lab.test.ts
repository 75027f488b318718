import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { test } from "node:test";
import { systemRuntime } from "#lib/runtime/runtime.ts";
import { cleanLab } from "./clean-up.ts";
import { LabInterrupted } from "./errors.ts";
import { labUp } from "./lab.ts";
import { containerCgroup } from "./node/containerd-cleanup.ts";
import { labPaths } from "./paths.ts";
import { defaultPodCidrs, defaultServiceCidrs } from "./spec.ts";
import { processesOf } from "./supervisor/leftovers.ts";

const runtime = systemRuntime({ level: "error" });

/** What of lab `name` is on this machine. */
function leftovers(name: string): string[] {
  const paths = labPaths(name);
  return [
    ...readdirSync("/var/run/netns").filter((netns) => netns.startsWith(`${name}-`)),
    ...processesOf(name).map((pid) => `process ${pid}`),
    ...readFileSync("/proc/self/mounts", "utf8")
      .split("\n")
      .filter((line) => line.includes(`${paths.root}/`)),
    ...[paths.root, `/sys/fs/cgroup${containerCgroup(paths.node("node-1").containerd)}`].filter((file) => existsSync(file)),
  ];
}

for (const step of ["wires", "control plane", "waiting"])
  test(`Ctrl-C while a lab comes up, at "${step}": nothing of it stays`, { skip: process.getuid?.() !== 0 && "needs root" }, async (t) => {
    const name = `giveup-${process.pid % 100_000}`;
    t.after(async () => {
      await cleanLab({ runtime, name });
      rmSync(labPaths(name).root, { recursive: true, force: true });
    });
    const starting = new AbortController();
    const spec = {
      name,
      nodes: 1,
      podCidrs: defaultPodCidrs,
      serviceCidrs: defaultServiceCidrs,
      uplink: false,
      fromSource: true,
    };
    const progress = (said: string): void => {
      if (said.startsWith(step)) setTimeout(() => starting.abort(new LabInterrupted(name)), step === "wires" ? 0 : 50);
    };
    await assert.rejects(labUp({ runtime, spec, progress, signal: starting.signal }), { code: "LAB_INTERRUPTED" });
    assert.deepEqual(leftovers(name), []);
  });
