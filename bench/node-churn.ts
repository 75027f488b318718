import { readdirSync, readFileSync } from "node:fs";
import { setTimeout as wait } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { createPrivateAgent, nodeObject, type PrivateAgent } from "../src/agent/testing/private-agent.ts";
import { type Bench, percentile } from "./bench.ts";

const nodeCount = 500;
const additions = 20;
/** Tails of the work (acknowledgements, garbage) belong to it. */
const tailMs = 150;

/** One node more beside 500: processor time of the agent until its flows and routes are there. */
export const bench: Bench = {
  goals: { add_cpu_ms: 5, rss_mb: 150 },
  async run({ print }) {
    // node-b is there anyway.
    const moreNodes = Array.from({ length: nodeCount - 1 }, (_, index) => remote(index));
    const agent = await createPrivateAgent("bench-nodes", {
      moreNodes,
      program: fileURLToPath(new URL("../dist/antrea-agent.js", import.meta.url)),
    });
    try {
      agent.start();
      await agent.eventually(async () => (await agent.ask("/readyz")) === "ok");
      await agent.eventually(() => reachable(agent, nodeCount - 2));
      await wait(2_000);
      const idlePerMs = await idleRate(agent);
      const costs: number[] = [];
      const times: number[] = [];
      for (let added = 0; added < additions; added++) {
        const index = nodeCount - 1 + added;
        const before = cpuMs(agent);
        const started = performance.now();
        await agent.putNode(remote(index));
        await agent.eventually(() => reachable(agent, index));
        times.push(performance.now() - started);
        await wait(tailMs);
        costs.push(cpuMs(agent) - before - idlePerMs * (performance.now() - started));
      }
      print(
        `processor time per node added: ${costs.map((ms) => ms.toFixed(1)).join(" ")} ms; at rest ${(idlePerMs * 1_000).toFixed(1)} ms/s`,
      );
      print(`seen from outside after ${percentile(times, 0.5).toFixed(0)} ms (polled)`);
      return { add_cpu_ms: percentile(costs, 0.5), worst_add_cpu_ms: Math.max(...costs), rss_mb: rssMb(agent) };
    } finally {
      await agent.remove();
    }
  },
};

const octets = (index: number): string => `${20 + Math.floor(index / 250)}.${index % 250}`;
const remote = (index: number) =>
  nodeObject(
    `n${index}`,
    `192.0.${100 + Math.floor(index / 250)}.${(index % 250) + 1}`,
    `10.${octets(index)}.0/24`,
    `fd00:20:${index.toString(16)}::/64`,
  );

/** Whether flows and routes of both families lead to the node. */
async function reachable(agent: PrivateAgent, index: number): Promise<boolean> {
  const { spec } = remote(index);
  for (const block of spec.podCIDRs) {
    const family = block.includes(":") ? "-6" : "-4";
    if ((await agent.node.exec("ip", family, "route", "show", block, "proto", "170")) === "") return false;
    const match = block.includes(":") ? `ipv6,ipv6_dst=${block}` : `ip,nw_dst=${block}`;
    const flows = await agent.node.exec("ovs-ofctl", "-O", "OpenFlow15", "dump-flows", `unix:${agent.node.ovsRunDir}/br-int.mgmt`, match);
    if (!flows.includes("tun_dst")) return false;
  }
  return true;
}

async function idleRate(agent: PrivateAgent): Promise<number> {
  const before = cpuMs(agent);
  const started = performance.now();
  await wait(3_000);
  return (cpuMs(agent) - before) / (performance.now() - started);
}

/** Processor time of all threads of the agent, in nanoseconds' resolution (proc(5), schedstat). Threads that ended are not in it. */
function cpuMs({ pid }: PrivateAgent): number {
  const tasks = `/proc/${pid}/task`;
  const nanoseconds = readdirSync(tasks).map((task) => Number(readFileSync(`${tasks}/${task}/schedstat`, "utf8").split(" ")[0]));
  return nanoseconds.reduce((sum, one) => sum + one, 0) / 1e6;
}

function rssMb({ pid }: PrivateAgent): number {
  const pages = Number(readFileSync(`/proc/${pid}/statm`, "utf8").split(" ")[1]);
  return (pages * 4_096) / 2 ** 20;
}
