import { readdirSync, readFileSync } from "node:fs";
import { labMark } from "./processes.ts";

/** Processes that carry the mark of lab `name`, this one excluded. */
export const processesOf = (name: string): number[] => processesMarked(`${labMark}=${name}`);

/** Processes that were started with the variable `mark`, NAME=VALUE, in their environment, this one excluded. */
export function processesMarked(mark: string): number[] {
  return readdirSync("/proc")
    .filter((entry) => /^\d+$/.test(entry) && Number(entry) !== process.pid)
    .filter((entry) => {
      try {
        return readFileSync(`/proc/${entry}/environ`, "utf8").split("\0").includes(mark);
      } catch {
        return false; // ended meanwhile
      }
    })
    .map(Number);
}

/** True while process `pid` exists and does more than wait to be reaped. */
export function isAlive(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // Before the state is the program's name, in parentheses; it may hold anything.
    return !/^[ZX]/.test(stat.slice(stat.lastIndexOf(")") + 2));
  } catch {
    return false;
  }
}

/** Sends `signal`; a process that is gone already is fine. */
export function signalProcess(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}
