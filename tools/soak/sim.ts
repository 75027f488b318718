import { generateScenario } from "../../src/lab/sim/generate.ts";
import { runScenario } from "../../src/lab/sim/run.ts";
import { minutes } from "../../src/lib/runtime/duration.ts";

/** So many seeds, one after the other from the soak's own. */
const seeds = 100;
const size = { nodes: 6, pods: 24, duration: minutes(3), faultsPerMinute: 10 };

/** Breaks a simulated cluster from many seeds. Resolves with what was wrong, and how to repeat it. */
export async function simPass(first: number, print: (line: string) => void): Promise<string[]> {
  const wrong: string[] = [];
  for (let seed = first; seed < first + seeds; seed++) {
    const { problems } = await runScenario({ scenario: generateScenario({ seed, ...size }) });
    if (problems[0] === undefined) continue;
    const command = `antctl lab sim --nodes ${size.nodes} --pods ${size.pods} --seed ${seed} --duration 3m --faults ${size.faultsPerMinute}`;
    wrong.push(`${command}: ${problems.length} things wrong, first: ${problems[0]}`);
    print(wrong.at(-1) ?? "");
  }
  print(`${seeds} simulated clusters broken from seed ${first} on, ${wrong.length} with something wrong`);
  return wrong;
}
