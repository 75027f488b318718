import { existsSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { cleanLab } from "#lab/clean-up.ts";
import { askControl } from "#lab/control-server.ts";
import { LabNotRunning } from "#lab/errors.ts";
import { runningSupervisor } from "#lab/running.ts";
import { labPaths, labsFolder } from "#lab/paths.ts";
import { isAlive } from "#lab/supervisor/leftovers.ts";
import { sleep } from "#lib/runtime/clock.ts";
import { milliseconds, seconds } from "#lib/runtime/duration.ts";
import { systemRuntime } from "#lib/runtime/runtime.ts";

/** Time a running lab has for its own orderly end. */
const orderlyTime = seconds(60);

/** `antctl lab down`: asks a running lab to end; cleans up itself when nobody is there to ask. */
export async function down(name: string): Promise<void> {
  const runtime = systemRuntime({ level: "warn" });
  const paths = labPaths(name);
  const owner = runningSupervisor(paths);
  if (owner === undefined && !existsSync(paths.root)) {
    process.stdout.write(`lab ${name}: nothing there\n`);
    return;
  }
  if (owner !== undefined) {
    const asked = await askControl({ socket: paths.controlSocket, lab: name, ask: { action: "down" } }).then(
      () => true,
      (error: unknown) => (error instanceof LabNotRunning ? false : Promise.reject(error)),
    );
    if (!asked) process.kill(owner, "SIGTERM");
    const deadline = runtime.clock.monotonic() + orderlyTime;
    while (isAlive(owner) && runtime.clock.monotonic() < deadline) await sleep(runtime.clock, milliseconds(50));
    if (isAlive(owner)) process.kill(owner, "SIGKILL");
  }
  await cleanLab({ runtime, name });
  await rm(join(labsFolder, `${name}.log`), { force: true });
  process.stdout.write(`lab ${name}: removed\n`);
}
