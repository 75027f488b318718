import { existsSync, readdirSync, readFileSync } from "node:fs";
import { createKubectl } from "../../src/lab/demo/kubectl.ts";
import type { Lab } from "../../src/lab/lab.ts";
import { processesOf } from "../../src/lab/supervisor/leftovers.ts";
import { retryUntilDone } from "../../src/lib/runtime/backoff.ts";
import { sleep, systemClock } from "../../src/lib/runtime/clock.ts";
import { seconds } from "../../src/lib/runtime/duration.ts";
import { orAborted } from "../../src/lib/runtime/or-aborted.ts";
import { seededRandom, systemRandom } from "../../src/lib/runtime/random.ts";
import { startKiller } from "./kills.ts";
import type { PassOptions } from "./pass.ts";
import { startPhases } from "./phases.ts";
import { judge, longestOutage } from "./verdicts.ts";
import { startWatchedWays } from "./watched-ways.ts";

/** Most lines told of one kind of problem. */
const mostTold = 20;
/** From one change of policies to the next, beside what the changes and looking at them take. */
const betweenChanges = seconds(15);
/** Time for what was killed last, when the soak was ended, to come back and say what was seen. */
const lastWords = seconds(60);

export interface SoakLabOptions extends PassOptions {
  readonly lab: Lab;
  readonly minutes: number;
}

/** Kills and changes for `minutes`, or until `signal`, then judges what was seen. Resolves with what was wrong. */
export async function soakLab({ lab, minutes, seed, print, signal }: SoakLabOptions): Promise<readonly string[]> {
  const kubectl = createKubectl(lab.paths.adminKubeconfig);
  const phases = await orAborted(startPhases({ lab, kubectl }), signal);
  const ways = await orAborted(startWatchedWays(kubectl), signal);
  const wrong: string[] = [...(await orAborted(phases.problems(), signal))];
  const killer = startKiller({ lab, random: seededRandom(seed), print, signal });
  let changes = 0;
  const changeUntil = async (end: number): Promise<void> => {
    while (Date.now() < end) {
      const phase = await phases.advance();
      changes++;
      const problems = await killer.quietly(() => phases.problems());
      print(`         ${phase}: ${problems.length === 0 ? "every verdict as expected" : `${problems.length} wrong`}`);
      wrong.push(...problems);
      await sleep(systemClock, betweenChanges, signal);
    }
  };
  /** What was seen until the end by a signal is judged all the same. */
  const orLess = <Result>(work: Promise<Result>): Promise<Result | undefined> =>
    orAborted(work, signal).catch((error: unknown) => {
      if (!signal.aborted) throw error;
      return undefined;
    });
  try {
    await orLess(changeUntil(Date.now() + minutes * 60_000));
  } finally {
    await killer.stop();
  }
  if (!signal.aborted) wrong.push(...((await orLess(phases.problems())) ?? []));
  /** By what may still be coming back. */
  const told = <Result>(ask: () => Promise<Result>): Promise<Result> =>
    retryUntilDone({ clock: systemClock, random: systemRandom }, ask, { limit: seconds(1), signal: AbortSignal.timeout(lastWords) });
  for (const way of ways) {
    const samples = await told(way.samples);
    wrong.push(...judge(way, samples, killer.kills).slice(0, mostTold));
    const outage = way.open ? `, longest time without an answer ${longestOutage(samples)} ms` : "";
    print(`${way.name}: tried ${samples.length} times${outage}`);
  }
  const counts = "jsonpath={range .items[*]}{.status.containerStatuses[*].restartCount} {end}";
  const restarts = await told(() => kubectl(["get", "pods", "-A", "-o", counts]));
  if (/[1-9]/.test(restarts)) wrong.push(`containers were started again: restart counts ${restarts.trim()}`);
  print(`${killer.kills.length} processes killed or stopped, policies changed ${changes} times`);
  return wrong;
}

/** What of the lab is still there after it went down. */
export function leftovers(lab: Lab): readonly string[] {
  const { name } = lab.spec;
  const namespaces = existsSync("/var/run/netns") ? readdirSync("/var/run/netns") : [];
  return [
    ...processesOf(name).map((pid) => `process ${pid}`),
    ...namespaces.filter((netns) => netns.startsWith(`${name}-`)).map((netns) => `network namespace ${netns}`),
    ...(existsSync(lab.paths.root) ? [`folder ${lab.paths.root}`] : []),
    ...(readFileSync("/proc/self/mountinfo", "utf8").includes(` ${lab.paths.root}/`) ? [`mounts below ${lab.paths.root}`] : []),
  ].map((what) => `left over: ${what}`);
}
