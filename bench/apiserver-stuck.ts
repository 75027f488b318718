import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { type Bench, percentile } from "./bench.ts";
import type { StuckMeasured } from "./apiserver-stuck-program.ts";

const watchers = 1_000;

/**
 * 1 000 watchers stop reading while 50 objects of 4 kB are written every second: what that does to a request of somebody else, to a watcher that reads, and
 * to memory. The same without them stands beside. In a network namespace whose sockets buffer 16 kB, as the kernel's own buffers would take most of what
 * is not read for minutes.
 */
export const bench: Bench = {
  goals: { others_extra_p99_ms: 100, extra_mb: 512 },
  async run({ print }) {
    const [alone, beside] = [await measured(0), await measured(watchers)];
    for (const [name, { asked, heard, peakMb, closed }] of [
      ["without them", alone],
      [`beside ${watchers}`, beside],
    ] as const)
      print(
        `${name}: others p99 ${percentile(asked, 0.99).toFixed(1)} ms, at most ${Math.max(...asked).toFixed(0)} ms; a watcher p99 ${percentile(heard, 0.99).toFixed(1)} ms; ${peakMb.toFixed(0)} MB at most; ${closed} ended by the server`,
      );
    return {
      others_extra_p99_ms: percentile(beside.asked, 0.99) - percentile(alone.asked, 0.99),
      watcher_extra_p99_ms: percentile(beside.heard, 0.99) - percentile(alone.heard, 0.99),
      extra_mb: beside.peakMb - alone.peakMb,
      closed: beside.closed,
    };
  },
};

async function measured(stuck: number): Promise<StuckMeasured> {
  const program = join(import.meta.dirname, "apiserver-stuck-program.ts");
  const child = spawn("unshare", ["--net", process.execPath, program, String(stuck)], { stdio: ["ignore", "pipe", "inherit"] });
  const [said] = await Promise.all([text(child.stdout), once(child, "exit")]);
  return JSON.parse(said) as StuckMeasured;
}
