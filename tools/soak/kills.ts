import type { Lab } from "../../src/lab/lab.ts";
import { sleep, systemClock } from "../../src/lib/runtime/clock.ts";
import { seconds } from "../../src/lib/runtime/duration.ts";
import type { Random } from "../../src/lib/runtime/random.ts";

export interface Kill {
  /** Wall time in ms. */
  readonly at: number;
  readonly process: string;
  /** It was stopped instead, and went on then: wall time in ms. */
  readonly until?: number;
}

const shortestPause = seconds(2);
const longestPause = seconds(8);
/** One in so many is stopped, as a machine that hangs, and goes on later. */
const stoppedOf = 4;
const shortestStop = seconds(1);
const longestStop = seconds(6);
/** One stop in so many, of what carries no packets, is long: the API forgets nodes after 40 s, and who asked gives up after 60. */
const longOf = 6;
const longStop = seconds(70);
/** Stopped for longer than the ways may be silent, these would only show that. */
const carriesPackets = /\/(ovs-vswitchd|ovsdb-server)$/;

/** Kills one of the lab's supervised processes after the other at random moments, by SIGKILL, or stops it for some seconds. */
export interface Killer {
  readonly kills: readonly Kill[];
  /** No kills while `task` runs, and nothing is stopped. */
  quietly<Result>(task: () => Promise<Result>): Promise<Result>;
  /** Resolves when what was stopped goes on. */
  stop(): Promise<void>;
}

export function startKiller({
  lab,
  random,
  print,
  signal,
}: {
  readonly lab: Lab;
  readonly random: Random;
  readonly print: (line: string) => void;
  /** What is stopped goes on at once. */
  readonly signal: AbortSignal;
}): Killer {
  const kills: Kill[] = [];
  const started = Date.now();
  let quiet = 0;
  let timer: NodeJS.Timeout;
  /** Resolves when nothing is stopped. */
  let resumed = Promise.resolve();
  const next = (): void => {
    timer = setTimeout(killOne, shortestPause + random.below(longestPause - shortestPause));
  };
  const stopFor = async (pid: number, length: number): Promise<void> => {
    await sleep(systemClock, length, signal).catch(() => {});
    resume(pid);
  };
  const killOne = (): void => {
    const { processes } = lab.status();
    // Drawn before looking who runs: the sequence of a seed depends on nothing else.
    const victim = processes[random.below(processes.length)];
    const stops = random.below(stoppedOf) === 0;
    const short = shortestStop + random.below(longestStop - shortestStop);
    const isLong = random.below(longOf) === 0 && victim !== undefined && !carriesPackets.test(victim.name);
    const length = isLong ? longStop : short;
    if (quiet === 0 && victim?.pid !== undefined && !signal.aborted) {
      const { name, pid } = victim;
      const at = Date.now();
      process.kill(pid, stops ? "SIGSTOP" : "SIGKILL");
      kills.push({ at, process: name, ...(stops ? { until: at + length } : {}) });
      print(
        `${((at - started) / 1_000).toFixed(0).padStart(5)} s  ${stops ? `stop for ${(length / 1_000).toFixed(1)} s` : "kill -9"} ${name} (${pid})`,
      );
      if (stops) resumed = Promise.all([resumed, stopFor(pid, length)]).then(() => {});
    }
    next();
  };
  next();
  return {
    kills,
    async quietly(task) {
      quiet++;
      try {
        await resumed;
        return await task();
      } finally {
        quiet--;
      }
    },
    async stop() {
      clearTimeout(timer);
      await resumed;
    },
  };
}

/** It may have been killed meanwhile, by whoever watches over it. */
function resume(pid: number): void {
  try {
    process.kill(pid, "SIGCONT");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}
