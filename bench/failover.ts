import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { adminClient } from "../src/lab/admin-client.ts";
import type { Lab } from "../src/lab/lab.ts";
import { apiNetwork, controllerAddress, controllerName, controllerNumbers } from "../src/lab/spec.ts";
import { networkPolicies } from "../src/lib/kube/index.ts";
import { type Bench, percentile } from "./bench.ts";
import { denyPolicy, podNetns, startStream } from "./connection-stream.ts";
import { applyAndWait, pidOf, pod, withLab } from "./lab.ts";
import { startPacketStream } from "./packet-stream.ts";

const tries = 50;
const witnessPacketsPerSecond = 1_000;

/**
 * The controller that a node's agent follows is killed, or stopped, and at once a policy is changed: how long from there until the node enforces it? A
 * stream that no policy concerns runs all the while.
 */
export const bench: Bench = {
  goals: { p99_s: 1, packets_lost: { atMost: 0 } },
  run: ({ print }) =>
    withLab({ nodes: 2, controllers: 2 }, async (lab, kubectl) => {
      await applyAndWait(kubectl, [
        pod("client", { node: "node-1" }),
        pod("server", { node: "node-2" }),
        pod("from", { node: "node-1" }),
        pod("to", { node: "node-2" }),
      ]);
      const address = async (name: string): Promise<string> =>
        (await kubectl(["get", "pod", name, "-o", "jsonpath={.status.podIP}"])).trim();
      const witness = await startPacketStream({
        from: await podNetns(lab, "node-1", "from"),
        to: await podNetns(lab, "node-2", "to"),
        target: await address("to"),
        packetsPerSecond: witnessPacketsPerSecond,
      });
      const stream = await startStream({ lab, target: await address("server") });
      const client = adminClient(lab.paths);
      const times = { SIGKILL: [] as number[], SIGSTOP: [] as number[] };
      try {
        await stream.steady();
        for (let attempt = 0; attempt < tries; attempt++) {
          const signal = attempt % 4 < 2 ? "SIGKILL" : "SIGSTOP";
          const denies = attempt % 2 === 0;
          const name = await followed(lab, "node-2");
          const pid = pidOf(lab, name);
          const lost = process.hrtime.bigint();
          process.kill(pid, signal);
          if (denies) await client.create(networkPolicies, denyPolicy);
          else await client.delete(networkPolicies, { namespace: "default", name: "deny" });
          const enforced = await stream.firstAfter({ since: lost, arrived: !denies });
          times[signal].push(Number(enforced - lost) / 1e9);
          if (signal === "SIGSTOP") process.kill(pid, "SIGCONT");
          await everybodyServes(lab);
          if ((attempt + 1) % 10 === 0) print(`${attempt + 1} of ${tries} tries`);
        }
      } finally {
        stream.stop();
        client.close();
      }
      const { sent, lost } = await witness.stop();
      const all = [...times.SIGKILL, ...times.SIGSTOP];
      print(
        `${lost} of ${sent} packets lost; longest: killed ${Math.max(...times.SIGKILL).toFixed(2)} s, stopped ${Math.max(...times.SIGSTOP).toFixed(2)} s`,
      );
      return {
        p50_s: percentile(all, 0.5),
        p99_s: percentile(all, 0.99),
        killed_p50_s: percentile(times.SIGKILL, 0.5),
        stopped_p50_s: percentile(times.SIGSTOP, 0.5),
        packets_lost: lost,
      };
    }),
};

interface LogLine {
  readonly message: string;
  readonly replica?: string;
}

/** What a process of the lab logged, of all its lives: asking the process itself would take processor time from what is measured. */
async function logged(lab: Lab, name: string): Promise<readonly LogLine[]> {
  const text = await readFile(join(lab.paths.logs, `${name.replaceAll("/", "-")}.log`), "utf8");
  return text
    .split("\n")
    .slice(0, -1)
    .map((line) => JSON.parse(line) as LogLine);
}

/** The process of the controller that the agent of `node` follows. */
export async function followed(lab: Lab, node: string): Promise<string> {
  for (;;) {
    const last = (await logged(lab, `${node}/antrea-agent`)).findLast(({ message }) => /following the controller/.test(message));
    const number = controllerNumbers(lab.spec).find(
      (each) => last?.replica?.startsWith(`${controllerAddress(apiNetwork, each).v4}:`) && last.message === "following the controller",
    );
    if (number !== undefined) return controllerName(number);
    await wait(20);
  }
}

/** Resolves when every controller has computed policies since it was started last: the next one to fall leaves another behind. */
export async function everybodyServes(lab: Lab): Promise<void> {
  for (const number of controllerNumbers(lab.spec))
    for (;;) {
      const name = controllerName(number);
      const lives = (lab.status().processes.find((process) => process.name === name)?.restarts ?? 0) + 1;
      const computed = (await logged(lab, name)).filter(({ message }) => message === "policies are computed").length;
      if (computed >= lives) break;
      await wait(20);
    }
}
