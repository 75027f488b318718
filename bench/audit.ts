import { join } from "node:path";
import { keepAuditLog, podsByPort } from "../src/agent/audit/index.ts";
import { createPipeline, type LocalPort } from "../src/core/pipeline/index.ts";
import { connectOpenFlow } from "../src/lib/openflow/connection.ts";
import { silentLogger, systemRuntime } from "../src/lib/runtime/index.ts";
import { createTable } from "../src/lib/table/index.ts";
import type { Bench } from "./bench.ts";
import { deniedPorts, startDeniedLoad, withDenyingNode } from "./denied.ts";

const perSecond = 2_000;
const seconds = 20;

/**
 * What the audit log costs the agent when every denial is another: datagrams to ports in turn, none of which comes twice within a second. The agent's part is the
 * bench's own process, which does nothing else meanwhile; its rest is measured before and taken off.
 */
export const bench: Bench = {
  goals: { cpu_percent: 8 },
  run: ({ print }) =>
    withDenyingNode(["client"], { action: "Drop", enableLogging: true }, async (node) => {
      const runtime = { ...systemRuntime(), logger: silentLogger };
      const stop = new AbortController();
      const ports = createTable<LocalPort>({ name: "ports", key: ({ interfaceName }) => interfaceName });
      for (const { port } of node.pods) ports.upsert(port);
      const audit = keepAuditLog({
        runtime,
        pipeline: createPipeline(),
        connect: (signal) => connectOpenFlow({ runtime, path: node.ovs.management("br0"), signal }),
        file: join(node.ovs.directory, "np.log"),
        rotation: { maxSizeBytes: 500 << 20, maxBackups: 1, maxAgeDays: 1, compress: true },
        ruleOf: node.compiler.auditedRule,
        podOf: podsByPort(ports),
        signal: stop.signal,
      });
      try {
        while (!audit.figures().packets.connected) await new Promise((resolve) => setTimeout(resolve, 5));
        const [server, client] = node.pods;
        if (server === undefined || client === undefined) throw new Error("no pods");
        const load = await startDeniedLoad(client, "udp", server.addresses[4], String(deniedPorts.first), String(deniedPorts.count));
        // Warm: compiled, and with a file.
        await load.run(3, perSecond);
        const measured = async (work: Promise<unknown>): Promise<number> => {
          const before = process.cpuUsage();
          const began = performance.now();
          await work;
          const { user, system } = process.cpuUsage(before);
          return ((user + system) / 1_000 / (performance.now() - began)) * 100;
        };
        const idle = await measured(new Promise((resolve) => setTimeout(resolve, 3_000)));
        const before = audit.figures();
        const busy = await measured(load.run(seconds, perSecond));
        await new Promise((resolve) => setTimeout(resolve, 1_500));
        const { lines, lost } = audit.figures();
        print(
          `${seconds * perSecond} denials in ${seconds} s: ${lines - before.lines} lines, ${lost - before.lost} lost; ${idle.toFixed(2)} % idle`,
        );
        return { cpu_percent: busy - idle, lines_per_second: (lines - before.lines) / seconds, lost: lost - before.lost };
      } finally {
        stop.abort();
        await audit.close();
      }
    }),
};
