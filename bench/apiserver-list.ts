import { startServerProcess } from "./api-server.ts";
import type { Bench } from "./bench.ts";

const objects = 100_000;

/** A start with 100 000 objects of 2 kB on disk, then all of them in one JSON list. */
export const bench: Bench = {
  goals: { ready_s: 3, list_s: 2, extra_mb: 100 },
  async run({ print }) {
    const server = await startServerProcess({ objects, sizeBytes: 2_000 });
    try {
      server.resetPeak();
      const before = server.residentMb().now;
      const started = performance.now();
      const length = await server.ask("GET", "/apis/test.antrea.io/v1/gadgets");
      const listSeconds = (performance.now() - started) / 1_000;
      const { peak } = server.residentMb();
      print(
        `${objects} objects, ${(length / 1e6).toFixed(0)} MB of JSON; ${before.toFixed(0)} MB resident before, ${peak.toFixed(0)} MB at most`,
      );
      return { ready_s: server.readySeconds, list_s: listSeconds, extra_mb: peak - before };
    } finally {
      await server.stop();
    }
  },
};
