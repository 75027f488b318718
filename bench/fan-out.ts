import { performance } from "node:perf_hooks";
import type { Bench } from "./bench.ts";
import { createAgents } from "./controlplane/agents.ts";
import { startServer } from "./controlplane/server.ts";

const [agents, sockets] = [Number(process.env.FAN_OUT_AGENTS ?? 5_000), Number(process.env.FAN_OUT_SOCKETS ?? 500)];
const changes = 10;

/** One change that concerns every node, until the last of 5 000 agents has it: 500 over TLS, the others in the server's process. */
export const bench: Bench = {
  goals: { last_s: 1, kb_per_watcher: 60 },
  async run({ print }) {
    const server = startServer();
    try {
      const cluster = { nodes: agents, pods: agents, namespaces: 1, policies: 0 };
      const { port } = await server.ask({ do: "fill", cluster });
      const empty = await server.ask({ do: "memory" });
      const over = createAgents({ port, nodes: Array.from({ length: sockets }, (_, node) => `node-${node}`) });
      await over.connect();
      const connected = await server.ask({ do: "memory" });
      await server.ask({ do: "follow-here", from: sockets, to: agents });
      const all = await server.ask({ do: "memory" });
      print(`${all.agents} agents, ${sockets} of them over TLS with three streams each`);
      const times: number[] = [];
      for (let change = 0; change < changes; change++) {
        const heard = over.whenAllHear("MODIFIED");
        const { at, publishedAt, lastHere, heardHere } = await server.ask({ do: "change" });
        await heard;
        const last = performance.timeOrigin + performance.now();
        if (heardHere !== agents - sockets) print(`only ${heardHere} agents in the server's process heard it`);
        print(`published in ${(publishedAt - at).toFixed(0)} ms, the last had it after ${(Math.max(last, lastHere) - at).toFixed(0)} ms`);
        times.push(Math.max(last, lastHere) - at);
      }
      over.cut();
      return {
        last_s: Math.max(...times) / 1_000,
        kb_per_watcher: (connected.rss - empty.rss) / 1_024 / (3 * sockets),
        kb_per_agent_in_process: (all.rss - connected.rss) / 1_024 / Math.max(1, agents - sockets),
      };
    } finally {
      await server.stop();
    }
  },
};
