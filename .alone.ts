import { thisBuild } from "/work/w-sim/src/lab/sim/builds.ts";
import { noPeers } from "/work/w-sim/src/controller/exchange/follow-peers.ts";
import { generateScenario } from "/work/w-sim/src/lab/sim/generate.ts";
import { runScenario } from "/work/w-sim/src/lab/sim/run.ts";
const alone = { ...thisBuild, runController: ({ platform, ...options }: any) => thisBuild.runController({ ...options, ...(platform !== undefined && { platform: { ...platform, peers: noPeers } }) }) };
for (const seed of [2, 3, 4, 5, 6, 7]) {
  const scenario = generateScenario({ seed, nodes: 3, pods: 9, controllers: 3, duration: 45000, faultsPerMinute: 20 });
  const { problems, figures } = await runScenario({ scenario, builds: [alone] as any });
  console.log(seed, figures.sums, problems.length, problems[0]?.slice(0, 200));
  if (problems.some((p) => /a sum went/.test(p))) break;
}
process.exit(0);
