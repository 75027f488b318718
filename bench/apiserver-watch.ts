import { setTimeout as wait } from "node:timers/promises";
import { startServerProcess } from "./api-server.ts";
import { type Bench, percentile } from "./bench.ts";
import { gadgets, openWatcher, stamped, stampsIn } from "./watcher.ts";

const watchers = Number(process.env.WATCHERS ?? 1_000);
const eventsPerSecond = 20;
const seconds = 15;
/** How many watches are opened at a time. */
const atOnce = 50;

/** 1 000 watchers over TLS, each on a connection of its own, hear 20 events a second: from the request that writes until each has the event. */
export const bench: Bench = {
  goals: { p99_ms: 150 },
  async run({ print }) {
    const server = await startServerProcess();
    try {
      const before = server.residentMb().now;
      const delays: number[] = [];
      const hear = (piece: string): void => {
        const now = performance.now();
        for (const at of stampsIn(piece)) delays.push(now - at);
      };
      for (let opened = 0; opened < watchers; opened += atOnce)
        await Promise.all(Array.from({ length: Math.min(atOnce, watchers - opened) }, () => openWatcher(server, hear)));
      const connected = server.residentMb().now;
      const cpuBefore = server.cpuSeconds();
      const start = performance.now();
      for (let event = 0; event < eventsPerSecond * seconds; event++) {
        await wait(Math.max(0, start + (event * 1_000) / eventsPerSecond - performance.now()));
        void server.ask("POST", gadgets, stamped(`event-${event}`));
      }
      const wanted = watchers * eventsPerSecond * seconds;
      for (let tries = 0; delays.length < wanted && tries < 100; tries++) await wait(100);
      const cpu = server.cpuSeconds() - cpuBefore;
      print(
        `${delays.length} of ${wanted} deliveries; ${(((connected - before) * 1_024) / watchers).toFixed(0)} kB of the server per watcher`,
      );
      return { p50_ms: percentile(delays, 0.5), p99_ms: percentile(delays, 0.99), cpu_us_per_event: (cpu * 1e6) / delays.length };
    } finally {
      await server.stop();
    }
  },
};
