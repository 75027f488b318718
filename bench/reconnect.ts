import type { Bench } from "./bench.ts";
import { createAgents } from "./controlplane/agents.ts";
import { startServer } from "./controlplane/server.ts";
import { processorSeconds } from "./controlplane/processor.ts";
import { systemClock } from "../src/lib/runtime/index.ts";

const [agents, pods] = [Number(process.env.RECONNECT_AGENTS ?? 1_000), Number(process.env.RECONNECT_PODS ?? 100_000)];
/** Twenty pods each, and a policy of their own. */
const namespaces = Math.ceil(pods / 20);

/** All agents come back at once and take everything anew: how much the server needs beside what it always needs, and how long the last one waits. */
export const bench: Bench = {
  goals: { peak_ratio: { atMost: 1.3 }, served_s: 10 },
  async run({ print }) {
    const server = startServer();
    try {
      const { port } = await server.ask({ do: "fill", cluster: { nodes: agents, pods, namespaces, policies: namespaces } });
      const filled = await server.ask({ do: "memory" });
      const over = createAgents({ port, nodes: Array.from({ length: agents }, (_, node) => `node-${node}`) });
      await over.connect();
      const steady = await server.ask({ do: "memory" });
      print(`filled ${mb(filled.rss)} MB, with ${steady.agents} agents ${mb(steady.rss)} MB`);
      over.cut();
      await server.ask({ do: "forget-peak" });
      const before = { ...over.figures };
      const ownBefore = process.cpuUsage();
      const started = systemClock.monotonic();
      await over.connect();
      const served = (systemClock.monotonic() - started) / 1_000;
      const agentsProcessor = processorSeconds(ownBefore);
      const { rss, processorSeconds: serverProcessor } = await server.ask({ do: "peak" });
      const bytes = over.figures.bytes - before.bytes;
      const sentAway = over.figures.sentAway - before.sentAway;
      print(`${mb(bytes)} MB to ${agents} agents in ${served.toFixed(2)} s, ${sentAway} times sent away, peak ${mb(rss)} MB`);
      print(`processor time: the server ${serverProcessor.toFixed(2)} s, the agents ${agentsProcessor.toFixed(2)} s`);
      over.cut();
      return {
        peak_ratio: rss / steady.rss,
        served_s: served,
        server_processor_s: serverProcessor,
        agents_processor_s: agentsProcessor,
        sent_mb: bytes / 2 ** 20,
        sent_away: sentAway,
        steady_mb: steady.rss / 2 ** 20,
      };
    } finally {
      await server.stop();
    }
  },
};

const mb = (bytes: number): string => (bytes / 2 ** 20).toFixed(0);
