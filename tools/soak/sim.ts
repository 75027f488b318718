import { generateScenario, simCommand } from "../../src/lab/sim/generate.ts";
import { runScenario } from "../../src/lab/sim/run.ts";
import { minutes, seconds } from "../../src/lib/runtime/duration.ts";
import { orAborted } from "../../src/lib/runtime/or-aborted.ts";
import type { PassOptions } from "./pass.ts";

/** So many seeds, one after the other from the soak's own. */
const seeds = 100;
const small = { nodes: 6, pods: 24, duration: minutes(3), faultsPerMinute: 10 };
/** As many of a smaller cluster in which one trouble begins before another is over: of a hundred of these three showed what none of the others did. */
const dense = { nodes: 4, pods: 12, duration: seconds(90), faultsPerMinute: 25 };
/** As many of 200 agents, and few pods, so that each takes some 20 s of processor time: what `npm test` does with five. */
const wide = { nodes: 200, pods: 20, startTime: seconds(3), duration: seconds(15), faultsPerMinute: 60 };
/** And so many of a larger cluster, which takes a minute of processor time each. */
const largeSeeds = 3;
const large = { nodes: 200, pods: 200, duration: seconds(30), faultsPerMinute: 12 };
/** A pass takes many minutes. */
const tellEvery = 10;
/** One, two or three controllers. */
const controllersOf = (seed: number): number => 1 + (seed % 3);

/** Breaks a simulated cluster from many seeds. Resolves with what was wrong, and how to repeat it. */
export async function simPass({ seed: first, print, signal }: PassOptions): Promise<readonly string[]> {
  const wrong: string[] = [];
  let broken = 0;
  const all = [
    ...Array.from({ length: seeds }, (_, index) => ({ seed: first + index, ...small })),
    ...Array.from({ length: seeds }, (_, index) => ({ seed: first + index, ...dense })),
    ...Array.from({ length: seeds }, (_, index) => ({ seed: first + index, ...wide })),
    ...Array.from({ length: largeSeeds }, (_, index) => ({ seed: first + index, ...large })),
  ];
  for (const size of all) {
    if (broken > 0 && broken % tellEvery === 0) print(`${broken} of ${all.length} simulated clusters broken`);
    const cluster = { ...size, controllers: controllersOf(size.seed) };
    const outcome = await orAborted(runScenario({ scenario: generateScenario(cluster) }), signal).catch((error: unknown) => {
      if (!signal.aborted) throw error;
    });
    // Of one that was not seen to its end nothing is known.
    if (outcome === undefined) break;
    broken++;
    const { problems } = outcome;
    if (problems[0] === undefined) continue;
    wrong.push(`${simCommand(cluster)}: ${problems.length} things wrong, first: ${problems[0]}`);
    print(wrong.at(-1) ?? "");
  }
  print(`${broken} simulated clusters broken from seed ${first} on, ${wrong.length} with something wrong`);
  return wrong;
}
