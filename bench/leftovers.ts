import { cleanLab } from "../src/lab/clean-up.ts";
import { deleteNetnsOf } from "../src/lab/fabric/netns-of-process.ts";
import { killMarked } from "../src/lab/supervisor/leftovers.ts";
import { systemRuntime } from "../src/lib/runtime/runtime.ts";

/** In the environment of everything that a bench starts. */
export const benchMark = "ANTREA_BENCH";

/** The name of the lab of a bench's process. */
export const benchLab = (pid: number): string => `bench-${pid}`;

/**
 * Removes what a bench left that ended without doing so: its processes, by the mark in their environment, its lab, and its network namespaces, which all have
 * its process's number in their names. Where nothing is left nothing is done.
 */
export async function removeLeftovers({ mark, benchPid }: { readonly mark: string; readonly benchPid: number }): Promise<void> {
  const runtime = systemRuntime({ level: "error" });
  await killMarked(`${benchMark}=${mark}`, runtime.clock);
  await cleanLab({ runtime, name: benchLab(benchPid) });
  await deleteNetnsOf([benchPid]);
}
