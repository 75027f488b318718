import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { createPrivateAgent, type PrivateAgent } from "../src/agent/testing/private-agent.ts";
import { connectOpenFlow } from "../src/lib/openflow/connection.ts";
import { silentLogger, systemRuntime } from "../src/lib/runtime/index.ts";
import { type Bench, percentile } from "./bench.ts";
import { startPacketStream } from "./packet-stream.ts";
import { streamAndPeers } from "./stream-and-peers.ts";

const packetsPerSecond = 10_000;
const restarts = 5;

/** The agent is killed and started while a switch full of its flows forwards a stream: when is all in sync, and what did it change? */
export const bench: Bench = {
  goals: { in_sync_s: 1.5, flow_mods: { atMost: 0 }, packets_lost: { atMost: 0 }, in_sync_500_s: 0.5 },
  async run({ print }) {
    const many = await restart({ name: "restart-many", peers: 49_500, print });
    const few = await restart({ name: "restart-few", peers: 250, print });
    return {
      in_sync_s: percentile(many.seconds, 0.5),
      worst_in_sync_s: Math.max(...many.seconds),
      flow_mods: many.flowMods + few.flowMods,
      packets_lost: many.lost + few.lost,
      in_sync_500_s: percentile(few.seconds, 0.5),
    };
  },
};

interface Restarts {
  readonly seconds: readonly number[];
  readonly flowMods: number;
  readonly lost: number;
}

/** `peers` addresses that one local pod admits, in sets: a flow each beside those of connectivity. */
async function restart({
  name,
  peers,
  print,
}: {
  readonly name: string;
  readonly peers: number;
  readonly print: (line: string) => void;
}): Promise<Restarts> {
  const agent = await createPrivateAgent(name, {
    controlplane: streamAndPeers(peers),
    program: fileURLToPath(new URL("../dist/antrea-agent.js", import.meta.url)),
  });
  try {
    // The first pod brings all the flows with it, which takes its time where the machine is busy.
    const patient = { podReady: { timeout: "120s" } };
    await inSync(agent, () => agent.start(patient));
    const server = await agent.addPod("server");
    const client = await agent.addPod("client");
    await agent.eventually(async () => (await readFile(join(agent.runDir, "policies.snapshot"), "utf8")).includes(client.interfaceName));
    const seconds: number[] = [];
    let flowMods = 0;
    let lost = 0;
    for (let round = 0; round < restarts; round++) {
      const stream = await startPacketStream({
        from: client.namespace,
        to: server.namespace,
        target: server.addresses[0] ?? "",
        packetsPerSecond,
      });
      const witness = await watchFlows(agent);
      await agent.stop("SIGKILL");
      agent.logged.length = 0;
      const took = await inSync(agent, () => agent.start(patient));
      // What it does once in sync belongs to the start as well: the controller's word against the snapshot's.
      await agent.eventually(() => followed(agent) === 1);
      const { sent, lost: lostNow } = await stream.stop();
      const { changes, flows } = await witness.stop();
      print(`${flows} flows: in sync after ${took.toFixed(2)} s, ${changes} flow-mods, ${lostNow} of ${sent} packets lost`);
      seconds.push(took);
      flowMods += changes;
      lost += lostNow;
    }
    return { seconds, flowMods, lost };
  } finally {
    await agent.remove();
  }
}

/** An OpenFlow connection of the bench's own: the switch tells it of every change of flows. */
async function watchFlows({ node }: PrivateAgent): Promise<{ stop(): Promise<{ readonly changes: number; readonly flows: number }> }> {
  const connection = await connectOpenFlow({
    runtime: { ...systemRuntime(), logger: silentLogger },
    path: join(node.ovsRunDir, "br-int.mgmt"),
  });
  let changes = 0;
  await connection.monitorFlows({}, ({ event }) => {
    if (event === "added" || event === "modified" || event === "removed") changes++;
  });
  return {
    async stop() {
      const { flows } = await connection.countFlows();
      connection.close();
      return { changes, flows };
    },
  };
}

const followed = (agent: PrivateAgent): number => agent.logged.filter(({ message }) => message === "following the controller").length;

/** Seconds from `start` until the agent says that policies are in force. */
async function inSync(agent: PrivateAgent, start: () => void): Promise<number> {
  const before = performance.now();
  start();
  await agent.eventually(() => agent.logged.some(({ message }) => message === "policies are in force"));
  return (performance.now() - before) / 1_000;
}
