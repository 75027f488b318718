import { loadavg } from "node:os";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { createPacketNode, type PacketNode, type PacketPod } from "../src/agent/flows/testing/packet-node.ts";
import { holdTable, startFqdnAgent } from "../src/agent/fqdn/testing/fqdn-agent.ts";
import { startFqdnProcess } from "../src/agent/fqdn/testing/fqdn-agent-process.ts";
import { type Bench, percentile } from "./bench.ts";

const podCount = Number(process.env.DNS_BENCH_PODS ?? 20);
/** The rate of the goals is never left out: `DNS_BENCH_ALSO_RATE` runs everything at another one behind it, whose figures stand beside. */
const totalRate = Number(process.env.DNS_BENCH_RATE ?? 4_000);
const alsoRate = Number(process.env.DNS_BENCH_ALSO_RATE ?? 0);
const runSeconds = Number(process.env.DNS_BENCH_SECONDS ?? 60);
/** How long the search for the highest rate without loss stays at each. */
const searchSeconds = Math.min(5, runSeconds);
/** Names that pods ask for in turn. */
const names = 50;
/** `packetInRate` of the run: above what is asked, as what the meter drops is lost. */
const packetInRate = 20_000;
const floodFactor = 5;

/**
 * Pods under a rule with names ask a DNS server through the agent, and the same without any rule, in turn. The agent is the bench's own process, but for the one that is killed; `DNS_BENCH_PODS`,
 * `DNS_BENCH_RATE`, `DNS_BENCH_SECONDS` make it smaller, `DNS_BENCH_ALSO_RATE` adds a second rate, whose figures begin with `also_`.
 */
export const bench: Bench = {
  goals: { lost: { atMost: 0 }, added_p50_ms: 0.5, added_p99_ms: 5, others_p99_ms: 10, lost_without_agent: { atMost: 0 } },
  async run({ print }) {
    const clients = Array.from({ length: podCount }, (_, index) => `c${index}`);
    const node = await createPacketNode("dnsbench", ["dns", ...clients]);
    try {
      const loads = await startLoads(node);
      const context = { node, clients, loads, print };
      const figures = await atRate(totalRate, context);
      if (alsoRate === 0) return figures;
      const also = await atRate(alsoRate, context);
      return { ...figures, ...Object.fromEntries(Object.entries(also).map(([name, value]) => [`also_${name}`, value])) };
    } finally {
      await node.remove();
    }
  },
};

interface Context {
  readonly node: PacketNode;
  readonly clients: readonly string[];
  readonly loads: readonly Load[];
  readonly print: (line: string) => void;
}

async function atRate(rate: number, { node, clients, loads, print }: Context): Promise<Record<string, number>> {
  const each = rate / podCount;
  const all = (perSecond: (index: number) => number, seconds = runSeconds): Promise<Run[]> =>
    Promise.all(loads.map((load, index) => load.run(seconds, perSecond(index))));
  const start = () => startFqdnAgent({ node, subjects: clients, open: [dnsAddress], names: ["*.shop.test"], rate: packetInRate });
  print(`${rate} questions a second, packetInRate ${packetInRate}, load ${loadavg()[0]?.toFixed(1)}`);
  // Without rules the pods' answers are not looked at.
  let agent = await start();
  await agent.end();
  const plain = merge(await all(() => each));
  print(describe("answers pass unread", plain));
  agent = await start();
  const before = process.cpuUsage();
  const held = merge(await all(() => each));
  const used = process.cpuUsage(before);
  print(describe("answers through the agent", held));
  print(JSON.stringify(agent.fqdn.figures()));
  const flooded = await all((index) => (index === 0 ? each * floodFactor : each));
  const others = merge(flooded.slice(1));
  print(describe("one pod floods: the others", others));
  const withoutLoss = async (tried: number): Promise<boolean> => {
    const { sent, answered } = merge(await all(() => tried / podCount, searchSeconds));
    return sent === answered;
  };
  const maxRate = await highest(rate, withoutLoss);
  print(`highest rate without loss for ${searchSeconds} s: ${maxRate}`);
  await agent.end();
  const child = await startFqdnProcess({ node, names: ["*.shop.test"], open: [dnsAddress], subjects: clients });
  const killing = all(() => each);
  await new Promise((resolve) => setTimeout(resolve, (runSeconds * 1_000) / 2));
  child.kill("SIGKILL");
  const killed = merge(await killing);
  print(describe("agent killed in the middle", killed));
  // Its flows would outlast the bench.
  await node.ovs.ofctl("del-flows", "br0", holdTable);
  return {
    asked_per_second: held.sent / runSeconds,
    max_rate: maxRate,
    lost: held.sent - held.answered,
    p50_ms: percentile(held.times, 0.5),
    p99_ms: percentile(held.times, 0.99),
    added_p50_ms: percentile(held.times, 0.5) - percentile(plain.times, 0.5),
    added_p99_ms: percentile(held.times, 0.99) - percentile(plain.times, 0.99),
    agent_cpu_us_per_answer: (used.user + used.system) / held.answered,
    others_lost: others.sent - others.answered,
    others_p99_ms: percentile(others.times, 0.99),
    lost_without_agent: killed.sent - killed.answered,
  };
}

/** The highest rate of five that holds, each half-way between what held and what did not; 0 when none does. */
async function highest(rate: number, holds: (rate: number) => Promise<boolean>): Promise<number> {
  let [best, failed] = [0, 2 * rate];
  for (let turn = 0, tried = rate; turn < 5; turn++) {
    if (await holds(tried)) best = tried;
    else failed = tried;
    tried = Math.round((best + failed) / 2);
  }
  return best;
}

const dnsAddress = "10.10.0.2";

interface Run {
  readonly sent: number;
  readonly answered: number;
  readonly times: readonly number[];
}
interface Load {
  run(seconds: number, perSecond: number): Promise<Run>;
}

async function startLoads(node: PacketNode): Promise<Load[]> {
  const [dns, ...clients] = node.pods;
  if (dns === undefined) throw new Error("no pod for the server");
  const program = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
  const server = dns.start(process.execPath, program("../src/agent/fqdn/testing/dns-server.ts"), "*=60,192.0.2.1,192.0.2.2");
  await new Promise((resolve) => server.stdout?.once("data", resolve));
  return Promise.all(clients.map((pod) => startLoad(pod, program("dns-load.ts"))));
}

async function startLoad(pod: PacketPod, path: string): Promise<Load> {
  const child = pod.start(process.execPath, path, dnsAddress, String(names));
  if (child.stdout === null) throw new Error("a load without output");
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  await lines.next();
  return {
    async run(seconds, perSecond) {
      child.stdin?.write(`${seconds} ${perSecond}\n`);
      const { value } = await lines.next();
      return JSON.parse(String(value)) as Run;
    },
  };
}

const merge = (runs: readonly Run[]): Run => ({
  sent: runs.reduce((sum, { sent }) => sum + sent, 0),
  answered: runs.reduce((sum, { answered }) => sum + answered, 0),
  times: runs.flatMap(({ times }) => times),
});

const describe = (what: string, { sent, answered, times }: Run): string =>
  `${what}: ${sent} asked, ${sent - answered} lost, p50 ${percentile(times, 0.5).toFixed(2)} ms, p99 ${percentile(times, 0.99).toFixed(2)} ms`;
