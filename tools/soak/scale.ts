// `node tools/soak/scale.ts [--nodes N] [--pods M] [--seed N]`: a simulated cluster of 5 000 agents and 100 000 pods, as `antctl lab sim` judges it, and the memory that it takes.
import { parseArgs } from "node:util";
import { heapIsGiven, runAgainWithHeap } from "../../src/lab/sim/large-heap.ts";
import { nodeName } from "../../src/lab/sim/node/node.ts";
import { runScenario } from "../../src/lab/sim/run.ts";
import type { Scenario, SimEvent } from "../../src/lab/sim/scenario.ts";
import { seconds } from "../../src/lib/runtime/duration.ts";
import { errorMessage } from "../../src/lib/runtime/errors.ts";
import { seededRandom } from "../../src/lib/runtime/random.ts";

const usage = `usage: node tools/soak/scale.ts [--nodes N] [--pods M] [--seed N]

  --nodes N  default 5000
  --pods M   default 20 for each node
  --seed N   of the network's chance and the packets that are looked at; default 1

Exit codes: 0 nothing was wrong; 1 otherwise; 2 a wrong flag.
`;
/** A namespace's pods are on so many nodes, as a team's are in clusters of this size, and its policy lets them reach each other alone. */
const nodesOfNamespace = 5;
const podsBegin = seconds(1);
const podsTake = seconds(20);
/** The judge waits 75 s more behind it. */
const duration = podsBegin + podsTake;
/** Of old space, in MiB. Node's own limit is a few GiB; this one keeps what V8 has not collected yet below the 16 GiB that all of it may take. */
const heapLimit = 14.5 * 1_024;
const tellEach = 60_000;
const print = (line: string): void => void process.stdout.write(`${line}\n`);

interface Size {
  readonly nodes: number;
  readonly pods: number;
  readonly seed: number;
}

/** Pods node by node, and one policy for each {@link nodesOfNamespace} nodes. */
function scenarioOf({ nodes, pods, seed }: Size): Scenario {
  const random = seededRandom(seed);
  const namespaces = Array.from({ length: Math.ceil(nodes / nodesOfNamespace) }, (_, index) => `team-${index + 1}`);
  const events: SimEvent[] = namespaces.map((namespace) => ({
    at: podsBegin,
    do: "put-policy",
    namespace,
    name: "own-pods",
    spec: { podSelector: {}, policyTypes: ["Ingress"], ingress: [{ from: [{ podSelector: {} }] }] },
  }));
  for (let index = 0; index < pods; index++) {
    const node = Math.floor((index * nodes) / pods);
    const namespace = namespaces[Math.floor(node / nodesOfNamespace)] ?? "";
    const labels = { app: random.below(2) === 0 ? "web" : "db" };
    events.push({
      at: podsBegin + Math.floor((index * podsTake) / pods),
      do: "create-pod",
      namespace,
      name: `pod-${index}`,
      node: nodeName(node),
      labels,
    });
  }
  return { seed, nodes, duration, events };
}

function sizeOf(args: readonly string[]): Size | string {
  const text = { type: "string" } as const;
  try {
    const { values } = parseArgs({ args: [...args], options: { nodes: text, pods: text, seed: text, help: { type: "boolean" } } });
    const nodes = Number(values.nodes ?? 5_000);
    const size = { nodes, pods: Number(values.pods ?? 20 * nodes), seed: Number(values.seed ?? 1) };
    const wrong = Object.entries(size).find(([, value]) => !Number.isSafeInteger(value) || value < 0);
    if (values.help) return "";
    if (wrong !== undefined) return `--${wrong[0]}: must be a whole number`;
    return nodes < 1 ? "--nodes: must be at least 1" : size;
  } catch (error) {
    return errorMessage(error);
  }
}

async function measure(size: Size): Promise<number> {
  const before = process.memoryUsage.rss();
  const started = performance.now();
  const elapsed = (): string => `${((performance.now() - started) / 1_000).toFixed(0)} s`;
  const gibibytes = (bytes: number): string => `${(bytes / 2 ** 30).toFixed(2)} GiB`;
  let latest = "";
  const tell = (text: string): void => {
    latest = text;
    const { rss, heapUsed } = process.memoryUsage();
    print(`${elapsed()}: ${text}; heap ${gibibytes(heapUsed)}, resident ${gibibytes(rss)}`);
  };
  const again = setInterval(() => tell(latest), tellEach);
  const { problems, figures } = await runScenario({ scenario: scenarioOf(size), progress: tell }).finally(() => clearInterval(again));
  const { maxRSS, userCPUTime, systemCPUTime } = process.resourceUsage();
  // maxRSS is in KiB, the times are in microseconds.
  const most = maxRSS * 1_024;
  print(
    `${size.nodes} agents, ${figures.runningPods} pods run, ${figures.flows} flows, ${figures.steps} steps, ${figures.packets} packets judged`,
  );
  print(
    `${elapsed()} by the clock, ${((userCPUTime + systemCPUTime) / 1e6).toFixed(0)} s of processor time; at most ${gibibytes(most)} resident, ${((most - before) / size.nodes / 1_024).toFixed(0)} kB for each agent`,
  );
  print(problems.length === 0 ? "nothing was wrong" : `${problems.length} things were wrong, first: ${problems[0]}`);
  return problems.length === 0 ? 0 : 1;
}

const size = sizeOf(process.argv.slice(2));
if (typeof size === "string") {
  process.stderr.write(size === "" ? usage : `${size}\n${usage}`);
  process.exitCode = size === "" ? 0 : 2;
} else if (heapIsGiven()) process.exitCode = await measure(size);
else process.exitCode = await runAgainWithHeap(heapLimit);
