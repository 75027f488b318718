import { readdir } from "node:fs/promises";
import { cleanLab } from "../src/lab/clean-up.ts";
import { run } from "../src/lab/command.ts";
import { processesMarked, signalProcess } from "../src/lab/supervisor/leftovers.ts";
import { sleep } from "../src/lib/runtime/clock.ts";
import { milliseconds, seconds } from "../src/lib/runtime/duration.ts";
import { systemRuntime } from "../src/lib/runtime/runtime.ts";

/** In the environment of everything that a bench starts. */
export const benchMark = "ANTREA_BENCH";
/** Time for marked processes to go after SIGKILL. */
const killTime = seconds(10);

/** The name of the lab of a bench's process. */
export const benchLab = (pid: number): string => `bench-${pid}`;

/**
 * Removes what a bench left that ended without doing so: its processes, by the mark in their environment, its lab, and its network namespaces, which all have
 * its process's number in their names. Where nothing is left nothing is done.
 */
export async function removeLeftovers({ mark, benchPid }: { readonly mark: string; readonly benchPid: number }): Promise<void> {
  const runtime = systemRuntime({ level: "error" });
  const { clock } = runtime;
  const deadline = clock.monotonic() + killTime;
  const marked = (): number[] => processesMarked(`${benchMark}=${mark}`);
  for (let left = marked(); left.length > 0 && clock.monotonic() < deadline; left = marked()) {
    for (const pid of left) signalProcess(pid, "SIGKILL");
    await sleep(clock, milliseconds(20));
  }
  await cleanLab({ runtime, name: benchLab(benchPid) });
  const isOfBench = new RegExp(`-${benchPid}(-|$)`);
  const namespaces = await readdir("/run/netns").catch((): string[] => []);
  for (const name of namespaces.filter((each) => isOfBench.test(each))) await run("ip", ["netns", "del", name]);
}
