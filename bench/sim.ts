import { generateScenario } from "../src/lab/sim/generate.ts";
import { runScenario } from "../src/lab/sim/run.ts";
import { hours, systemClock } from "../src/lib/runtime/index.ts";
import type { Bench } from "./bench.ts";

const [nodes, pods] = [Number(process.env.SIM_NODES ?? 200), Number(process.env.SIM_PODS ?? 2_000)];
const duration = hours(Number(process.env.SIM_HOURS ?? 1));

/** A simulated hour of ordinary events on 200 nodes with 2 000 pods: time on the wall, what happens in a second of it, memory for each agent. */
export const bench: Bench = {
  goals: { wall_s: { atMost: 60 } },
  async run({ print }) {
    const scenario = generateScenario({ seed: 1, nodes, pods, duration, faultsPerMinute: 0 });
    const before = process.memoryUsage.rss();
    const [started, processor] = [systemClock.monotonic(), process.cpuUsage()];
    let most = before;
    const { figures, problems } = await runScenario({
      scenario,
      progress(text) {
        most = Math.max(most, process.memoryUsage.rss());
        print(text);
      },
    });
    const wall = (systemClock.monotonic() - started) / 1_000;
    const { user, system } = process.cpuUsage(processor);
    for (const problem of problems.slice(0, 5)) print(`wrong: ${problem}`);
    return {
      wall_s: wall,
      processor_s: (user + system) / 1e6,
      steps_per_s: figures.steps / wall,
      events: figures.events,
      kb_per_agent: (most - before) / 1_024 / nodes,
      wrong: problems.length,
    };
  },
};
