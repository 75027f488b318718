import { existsSync, readFileSync } from "node:fs";
import type { LabPaths } from "./paths.ts";
import { isAlive } from "./supervisor/leftovers.ts";

/** The process that runs the lab, or undefined. */
export function runningSupervisor(paths: LabPaths): number | undefined {
  if (!existsSync(paths.pidFile)) return undefined;
  const pid = Number(readFileSync(paths.pidFile, "utf8"));
  return Number.isInteger(pid) && pid > 0 && pid !== process.pid && isAlive(pid) ? pid : undefined;
}
