import { startServerProcess } from "./api-server.ts";
import type { Bench } from "./bench.ts";

const objects = 100_000;

/** From the start of the process with 100 000 objects of 2 kB on disk until it answers. */
export const bench: Bench = {
  goals: { ready_s: 3 },
  async run({ print }) {
    const server = await startServerProcess({ objects, sizeBytes: 2_000 });
    try {
      const { now } = server.residentMb();
      print(`${objects} objects; ${now.toFixed(0)} MB resident, ${server.cpuSeconds().toFixed(1)} s of processor time`);
      return { ready_s: server.readySeconds, resident_mb: now };
    } finally {
      await server.stop();
    }
  },
};
