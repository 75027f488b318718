import { setTimeout as wait } from "node:timers/promises";
import type { Bench } from "./bench.ts";
import { applyAndWait, cpuMs, pidOf, pod, residentMb, withLab } from "./lab.ts";

/** Time to let start-up work (and its garbage) settle, and time to watch, in milliseconds. */
const settleMs = 20_000;
const watchMs = 60_000;

/** What a node costs when nothing happens. */
export const bench: Bench = {
  goals: { rss_mb: 110, cpu_percent: 0.3, controller_rss_mb: 110 },
  run: ({ print }) =>
    withLab({ nodes: 1 }, async (lab, kubectl) => {
      await applyAndWait(
        kubectl,
        Array.from({ length: 20 }, (_, index) => pod(`idle-${index}`, { node: "node-1" })),
      );
      await wait(settleMs);
      const agent = pidOf(lab, "node-1/antrea-agent");
      const controller = pidOf(lab, "antrea-controller");
      const before = cpuMs(agent);
      await wait(watchMs);
      const cpu = ((cpuMs(agent) - before) / watchMs) * 100;
      for (const { name, pid } of lab.status().processes) if (pid !== undefined) print(`${name}: ${residentMb(pid).toFixed(0)} MB`);
      return { rss_mb: residentMb(agent), cpu_percent: cpu, controller_rss_mb: residentMb(controller) };
    }),
};
