import { readdirSync, readFileSync } from "node:fs";
import { type Clock, sleep } from "#lib/runtime/clock.ts";
import { milliseconds, seconds } from "#lib/runtime/duration.ts";
import { labMark } from "./processes.ts";

/** Time for marked processes to go after SIGKILL. */
const killTime = seconds(10);

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

/** Kills what carries the variable `mark`, and what that starts meanwhile, until nothing is left or a limit is over. Resolves with the processes that it met. */
export async function killMarked(mark: string, clock: Clock): Promise<readonly number[]> {
  const met = new Set<number>();
  const deadline = clock.monotonic() + killTime;
  for (let left = processesMarked(mark); left.length > 0 && clock.monotonic() < deadline; left = processesMarked(mark)) {
    for (const pid of left) signalProcess(pid, "SIGKILL");
    for (const pid of left) met.add(pid);
    await sleep(clock, milliseconds(20));
  }
  return [...met];
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
