import type { Lab } from "../../src/lab/lab.ts";
import { seconds } from "../../src/lib/runtime/duration.ts";
import type { Random } from "../../src/lib/runtime/random.ts";

export interface Kill {
  /** Wall time in ms. */
  readonly at: number;
  readonly process: string;
}

const shortestPause = seconds(2);
const longestPause = seconds(8);

/** Kills one of the lab's supervised processes after the other, with SIGKILL, at random moments. */
export interface Killer {
  readonly kills: readonly Kill[];
  /** No kills while `task` runs. */
  quietly<Result>(task: () => Promise<Result>): Promise<Result>;
  stop(): void;
}

export function startKiller({
  lab,
  random,
  print,
}: {
  readonly lab: Lab;
  readonly random: Random;
  readonly print: (line: string) => void;
}): Killer {
  const kills: Kill[] = [];
  const started = Date.now();
  let quiet = 0;
  let timer: NodeJS.Timeout;
  const next = (): void => {
    timer = setTimeout(killOne, shortestPause + random.below(longestPause - shortestPause));
  };
  const killOne = (): void => {
    const { processes } = lab.status();
    // Drawn before looking who runs: the sequence of a seed depends on nothing else.
    const victim = processes[random.below(processes.length)];
    if (quiet === 0 && victim?.pid !== undefined) {
      process.kill(victim.pid, "SIGKILL");
      kills.push({ at: Date.now(), process: victim.name });
      print(`${((Date.now() - started) / 1_000).toFixed(0).padStart(5)} s  kill -9 ${victim.name} (${victim.pid})`);
    }
    next();
  };
  next();
  return {
    kills,
    async quietly(task) {
      quiet++;
      try {
        return await task();
      } finally {
        quiet--;
      }
    },
    stop: () => clearTimeout(timer),
  };
}
