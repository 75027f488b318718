import { loadavg } from "node:os";
import { answerRejected } from "../src/agent/packet-in/index.ts";
import type { LocalPort } from "../src/core/pipeline/index.ts";
import { connectOpenFlow } from "../src/lib/openflow/connection.ts";
import { silentLogger, systemRuntime } from "../src/lib/runtime/index.ts";
import { createTable } from "../src/lib/table/index.ts";
import { type Bench, percentile } from "./bench.ts";
import { deniedPorts, type DeniedRun, startDeniedLoad, withDenyingNode } from "./denied.ts";

const perSecond = Number(process.env.REJECT_BENCH_RATE ?? 5_000);
/** Behind the goals' rate: another one, whose figures begin with `also_`. */
const alsoPerSecond = Number(process.env.REJECT_BENCH_ALSO_RATE ?? 0);
const seconds = Number(process.env.REJECT_BENCH_SECONDS ?? 10);
const clients = 4;
/** `packetInRate` of the run: above what is rejected, as what is beyond it stays without an answer. */
const packetInRate = 20_000;
const openPort = 80;
const othersPerSecond = 50;

/**
 * TCP connections that a rule rejects, begun by four pods, each with the time until its reset; and meanwhile another pod's connections to a port that is open. The agent's part is
 * the bench's own process. `REJECT_BENCH_RATE`, `REJECT_BENCH_SECONDS` make it smaller, `REJECT_BENCH_ALSO_RATE` adds a second rate.
 */
export const bench: Bench = {
  goals: { p99_ms: 5, unanswered: { atMost: 0 }, others_failed: { atMost: 0 } },
  run: ({ print }) =>
    withDenyingNode(
      [...Array.from({ length: clients }, (_, index) => `c${index}`), "other"],
      { action: "Reject", enableLogging: false },
      async (node) => {
        const runtime = { ...systemRuntime(), logger: silentLogger };
        const stop = new AbortController();
        const ports = createTable<LocalPort>({ name: "ports", key: ({ interfaceName }) => interfaceName });
        for (const { port } of node.pods) ports.upsert(port);
        const answers = answerRejected({
          runtime,
          connect: (signal) => connectOpenFlow({ runtime, path: node.ovs.management("br0"), signal }),
          ports,
          gateway: node.gateway,
          rate: packetInRate,
          signal: stop.signal,
        });
        try {
          while (!answers.figures().connected) await new Promise((resolve) => setTimeout(resolve, 5));
          const [server, ...pods] = node.pods;
          const address = server?.addresses[4] ?? "";
          server?.start("busybox", "httpd", "-f", "-p", `0.0.0.0:${openPort}`, "-h", node.ovs.directory);
          const denied = await Promise.all(
            pods.slice(0, clients).map((pod) => startDeniedLoad(pod, "tcp", address, String(deniedPorts.first), String(deniedPorts.count))),
          );
          const [last] = pods.slice(clients);
          if (last === undefined) throw new Error("no pod for the others");
          const other = await startDeniedLoad(last, "tcp", address, String(openPort), "1");
          const rejected = async (length: number, rate: number): Promise<DeniedRun> =>
            merged(await Promise.all(denied.map((load) => load.run(length, rate / clients))));
          const atRate = async (rate: number): Promise<Record<string, number>> => {
            print(`${rate} rejected a second, packetInRate ${packetInRate}, load ${loadavg()[0]?.toFixed(1)}`);
            await rejected(2, rate / 5);
            const alone = await other.run(3, othersPerSecond);
            const before = process.cpuUsage();
            const [run, beside] = await Promise.all([rejected(seconds, rate), other.run(seconds, othersPerSecond)]);
            const used = process.cpuUsage(before);
            const overflowed = await node.ovs.appctl("coverage/read-counter", "rconn_overflow").catch(() => "none");
            print(
              `lost on the way so far: ${overflowed.trim()} in the queue of the switch, ${answers.figures().overflowed} in the agent's`,
            );
            print(`rejected: ${run.begun} begun, ${run.refused} refused, p50 ${percentile(run.times, 0.5).toFixed(2)} ms`);
            print(
              `others: p99 ${percentile(alone.times, 0.99).toFixed(2)} ms alone, ${percentile(beside.times, 0.99).toFixed(2)} ms beside`,
            );
            return {
              p99_ms: percentile(run.times, 0.99),
              p50_ms: percentile(run.times, 0.5),
              unanswered: run.begun - run.refused,
              others_failed: beside.begun - beside.opened,
              others_p99_ms: percentile(beside.times, 0.99),
              agent_cpu_us_per_answer: (used.user + used.system) / run.refused,
            };
          };
          const figures = await atRate(perSecond);
          const also = alsoPerSecond === 0 ? {} : await atRate(alsoPerSecond);
          return { ...figures, ...Object.fromEntries(Object.entries(also).map(([name, value]) => [`also_${name}`, value])) };
        } finally {
          stop.abort();
        }
      },
    ),
};

const merged = (runs: readonly DeniedRun[]): DeniedRun => ({
  begun: runs.reduce((sum, { begun }) => sum + begun, 0),
  refused: runs.reduce((sum, { refused }) => sum + refused, 0),
  opened: runs.reduce((sum, { opened }) => sum + opened, 0),
  times: runs.flatMap(({ times }) => times),
});
