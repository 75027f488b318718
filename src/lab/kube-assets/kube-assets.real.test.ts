import assert from "node:assert/strict";
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { systemRuntime } from "#lib/runtime/runtime.ts";
import { cleanLab } from "../clean-up.ts";
import { type Lab, labUp } from "../lab.ts";
import { labPaths } from "../paths.ts";
import { defaultPodCidrs, defaultServiceCidrs } from "../spec.ts";
import { amplePatience } from "#lib/runtime/testing/patience.ts";

// What real programs are told, and how they live and end: stand-ins write it down where no real ones are at hand.

const standIn = fileURLToPath(new URL("./testing/stand-in.ts", import.meta.url));
const names = ["etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"];

interface Line {
  readonly name: string;
  readonly pid: number;
  readonly args?: readonly string[];
  readonly ended?: true;
}

test("real programs are started in order, started again when they end, and ended", {
  skip: process.getuid?.() !== 0 && "needs root",
}, async (t) => {
  const runtime = systemRuntime({ level: "error" });
  const name = `assets-${process.pid % 100_000}`;
  const folder = mkdtempSync(join(tmpdir(), "kube-assets-"));
  const record = join(folder, "record");
  for (const program of names) {
    const file = join(folder, program);
    writeFileSync(file, `#!/bin/sh\nexec ${process.execPath} ${standIn} ${program} ${record} "$@"\n`);
    chmodSync(file, 0o755);
  }
  const ups: Lab[] = [];
  t.after(async () => {
    await ups[0]?.down();
    await cleanLab({ runtime, name });
    rmSync(folder, { recursive: true });
  });
  // A line is there once its end is: a read may meet a write half done.
  const lines = (): Line[] =>
    (existsSync(record) ? readFileSync(record, "utf8").split("\n").slice(0, -1) : []).map((line) => JSON.parse(line) as Line);
  const started = (program: string): Line[] => lines().filter((line) => line.name === program && line.args !== undefined);

  const spec = {
    name,
    nodes: 0,
    podCidrs: defaultPodCidrs,
    serviceCidrs: defaultServiceCidrs,
    uplink: false,
    fromSource: true,
    kubeAssets: folder,
  };
  const lab = await labUp({ runtime, spec });
  ups.push(lab);
  const until = async (holds: () => boolean): Promise<void> => {
    for (const deadline = Date.now() + amplePatience; !holds(); await wait(20)) assert.ok(Date.now() < deadline, JSON.stringify(lines()));
  };
  await until(() => names.every((program) => started(program).length > 0));
  // What talks to the API server starts when it answers; the stand-ins of etcd and the API server write themselves down as they get to it.
  const order = lines().map((line) => line.name);
  assert.deepEqual(order.slice(0, 2).sort(), ["etcd", "kube-apiserver"]);
  assert.deepEqual(order.slice(2).sort(), ["kube-controller-manager", "kube-scheduler"]);
  // every file that a flag names is there
  for (const line of lines())
    for (const arg of line.args ?? []) {
      const [flag = "", value = ""] = arg.split("=");
      if (/-file$|-certificate$|-key$|kubeconfig$/.test(flag)) assert.ok(existsSync(value), `${line.name} ${arg}`);
    }
  const { processes, kubernetes } = lab.status();
  assert.ok(!processes.some((process) => ["lab-api-server", "lab-controllers"].includes(process.name)));
  assert.equal(kubernetes.find(({ part }) => part === "API server")?.program, join(folder, "kube-apiserver"));

  const [scheduler] = started("kube-scheduler");
  assert.ok(scheduler);
  process.kill(scheduler.pid, "SIGKILL");
  await until(() => started("kube-scheduler").length === 2);

  await lab.down();
  const last = lines().filter((line) => line.ended);
  assert.deepEqual(last.map((line) => line.name).slice(-2), ["kube-apiserver", "etcd"]);
  assert.equal(existsSync(labPaths(name).root), false);
});
