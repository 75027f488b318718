import { setTimeout as wait } from "node:timers/promises";
import { adminClient } from "../src/lab/admin-client.ts";
import { type KubeClient, networkPolicies } from "../src/lib/kube/index.ts";
import { type Bench, percentile } from "./bench.ts";
import { denyPolicy, packetsPerSecond, startStream } from "./connection-stream.ts";
import { applyAndWait, pod, withLab } from "./lab.ts";

const tries = 100;

/** A denying policy is acknowledged by the API; how long until the other node drops the first packet? And the way back. */
export const bench: Bench = {
  goals: { deny_p50_ms: 5, deny_p99_ms: 10, allow_p50_ms: 5, allow_p99_ms: 10 },
  run: ({ print }) =>
    withLab({ nodes: 2 }, async (lab, kubectl) => {
      await applyAndWait(kubectl, [pod("client", { node: "node-1" }), pod("server", { node: "node-2" })]);
      const target = (await kubectl(["get", "pod", "server", "-o", "jsonpath={.status.podIP}"])).trim();
      const stream = await startStream({ lab, target });
      const client = adminClient(lab.paths);
      const deny: number[] = [];
      const allow: number[] = [];
      try {
        await stream.steady();
        for (let attempt = 1; attempt <= tries; attempt++) {
          deny.push(
            await measured(
              () => write(client),
              (since) => stream.firstAfter({ since, arrived: false }),
            ),
          );
          await wait(30);
          allow.push(
            await measured(
              () => client.delete(networkPolicies, { namespace: "default", name: "deny" }),
              (since) => stream.firstAfter({ since, arrived: true }),
            ),
          );
          await wait(30);
          if (attempt % 25 === 0) print(`${attempt} of ${tries} tries`);
        }
      } finally {
        stream.stop();
        client.close();
      }
      print(
        `longest: deny ${Math.max(...deny).toFixed(1)} ms, allow ${Math.max(...allow).toFixed(1)} ms; ${packetsPerSecond} new connections per second`,
      );
      return {
        deny_p50_ms: percentile(deny, 0.5),
        deny_p99_ms: percentile(deny, 0.99),
        allow_p50_ms: percentile(allow, 0.5),
        allow_p99_ms: percentile(allow, 0.99),
      };
    }),
};

const write = (client: KubeClient): Promise<unknown> => client.create(networkPolicies, denyPolicy);

/** Milliseconds from the end of `act` to what `see` finds; 0 when the switch was faster than the acknowledgement. */
async function measured(act: () => Promise<unknown>, see: (since: bigint) => Promise<bigint>): Promise<number> {
  const before = process.hrtime.bigint();
  await act();
  const acknowledged = process.hrtime.bigint();
  const seen = await see(before);
  return Math.max(0, Number(seen - acknowledged) / 1e6);
}
