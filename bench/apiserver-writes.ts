import { startServerProcess } from "./api-server.ts";
import { type Bench, percentile } from "./bench.ts";

const clients = 64;
const seconds = 8;
const path = "/apis/test.antrea.io/v1/namespaces/default/gadgets";

/** Creates of small objects over TLS by 64 clients on kept connections, each durable when it is answered. The load comes from the same machine. */
export const bench: Bench = {
  goals: { creates_per_s: { atLeast: 3_000 }, p99_ms: 40 },
  async run({ print }) {
    const server = await startServerProcess();
    try {
      let number = 0;
      const load = async (until: number, took: number[]): Promise<void> => {
        while (performance.now() < until) {
          const started = performance.now();
          await server.ask("POST", path, JSON.stringify({ metadata: { name: `g${number++}` }, spec: { size: 1, color: "red" } }));
          took.push(performance.now() - started);
        }
      };
      const everybody = (until: number, took: number[]): Promise<unknown> =>
        Promise.all(Array.from({ length: clients }, () => load(until, took)));
      await everybody(performance.now() + 2_000, []);
      const took: number[] = [];
      const [serverBefore, ownBefore] = [server.cpuSeconds(), process.cpuUsage()];
      const started = performance.now();
      await everybody(started + seconds * 1_000, took);
      const elapsed = (performance.now() - started) / 1_000;
      const { user, system } = process.cpuUsage(ownBefore);
      print(`${took.length} creates in ${elapsed.toFixed(1)} s`);
      return {
        creates_per_s: took.length / elapsed,
        p50_ms: percentile(took, 0.5),
        p99_ms: percentile(took, 0.99),
        // what tells of the server where others use the processors too
        server_cpu_us: ((server.cpuSeconds() - serverBefore) * 1e6) / took.length,
        load_cpu_us: (user + system) / took.length,
      };
    } finally {
      await server.stop();
    }
  },
};
