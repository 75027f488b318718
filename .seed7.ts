import { generateScenario } from "/work/w-sim/src/lab/sim/generate.ts";
import { runScenario } from "/work/w-sim/src/lab/sim/run.ts";
const scenario = generateScenario({ seed: 7, nodes: 3, pods: 9, controllers: 3, duration: 45000, faultsPerMinute: 20 });
const { problems, firstWrong } = await runScenario({ scenario });
console.log(problems.length, firstWrong, problems.map((p) => p.slice(0, 300)).join("\n"));
for (const e of scenario.events) if (e.at > 20000 && e.at < 37000) console.log(JSON.stringify(e).slice(0, 400));
process.exit(0);
