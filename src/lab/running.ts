import { existsSync, readFileSync, writeFileSync } from "node:fs";
import type { LabPaths } from "./paths.ts";
import { isAlive } from "./supervisor/leftovers.ts";

/**
 * The process that runs the lab, or undefined. The file names the process by its id and the time it started at, as an id alone may mean somebody
 * else's process after a restart of the machine.
 */
export function runningSupervisor(paths: LabPaths): number | undefined {
  if (!existsSync(paths.pidFile)) return undefined;
  const [pid = Number.NaN, started] = readFileSync(paths.pidFile, "utf8").trim().split(" ").map(Number);
  return Number.isInteger(pid) && pid > 0 && pid !== process.pid && isAlive(pid) && startTime(pid) === started ? pid : undefined;
}

/** Says that this process runs the lab from now on. */
export function claimLab(paths: LabPaths): void {
  writeFileSync(paths.pidFile, `${process.pid} ${startTime(process.pid)}\n`);
}

/** When process `pid` started, in ticks since the machine did (proc(5), field 22 of `stat`); undefined when it is gone. */
function startTime(pid: number): number | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The name of the program, in parentheses, may hold anything.
    return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19]);
  } catch {
    return undefined;
  }
}
