import { type ChildProcess, spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { setTimeout as wait } from "node:timers/promises";
import { adminClient } from "../src/lab/admin-client.ts";
import { run } from "../src/lab/command.ts";
import type { Lab } from "../src/lab/lab.ts";
import { type KubeClient, type NetworkPolicy, networkPolicies } from "../src/lib/kube/index.ts";
import { type Bench, percentile } from "./bench.ts";
import { applyAndWait, pod, withLab } from "./lab.ts";

const tries = 100;
const packetsPerSecond = 2_000;
const firstPort = 20_000;
const ports = 60;

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

const denyPolicy: NetworkPolicy = {
  metadata: { name: "deny", namespace: "default" },
  spec: { podSelector: { matchLabels: { app: "server" } }, policyTypes: ["Ingress"] },
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

interface Stream {
  steady(): Promise<void>;
  /** When the first datagram sent after `since` whose fate was `arrived` was sent. */
  firstAfter(options: { readonly since: bigint; readonly arrived: boolean }): Promise<bigint>;
  stop(): void;
}

/** A datagram that has not arrived this long after it was sent counts as dropped. */
const lostAfterNs = 100_000_000n;
const giveUpMs = 10_000;

async function startStream({ lab, target }: { readonly lab: Lab; readonly target: string }): Promise<Stream> {
  const sent: { readonly number: number; readonly at: bigint }[] = [];
  const arrived = new Set<number>();
  const children: ChildProcess[] = [];
  const inPod = async (
    node: string,
    podName: string,
    script: string,
    args: readonly string[],
    onLine: (line: string) => void,
  ): Promise<void> => {
    const child = spawn(
      "nsenter",
      [`--net=${await podNetns(lab, node, podName)}`, "--", process.execPath, fileURLToPath(new URL(script, import.meta.url)), ...args],
      {
        stdio: ["pipe", "pipe", "inherit"],
      },
    );
    children.push(child);
    let rest = "";
    child.stdout?.setEncoding("utf8").on("data", (chunk: string) => {
      const lines = (rest + chunk).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) onLine(line);
    });
  };
  await inPod("node-2", "server", "./udp-receiver.ts", [target.includes(":") ? "6" : "4", String(firstPort), String(ports)], (line) =>
    arrived.add(Number(line)),
  );
  await inPod("node-1", "client", "./udp-sender.ts", [target, String(firstPort), String(ports), String(packetsPerSecond)], (line) => {
    const [number, at] = line.split(" ");
    sent.push({ number: Number(number), at: BigInt(at ?? 0) });
  });
  let start = 0;
  const stream: Stream = {
    async steady() {
      for (let left = giveUpMs; left > 0; left -= 50) {
        await wait(50);
        if (arrived.size > packetsPerSecond) return;
      }
      throw new Error("datagrams do not arrive without any policy");
    },
    async firstAfter({ since, arrived: wanted }) {
      for (let left = giveUpMs; left > 0; left -= 5) {
        const now = process.hrtime.bigint();
        while ((sent[start]?.at ?? since) < since) start++;
        for (let index = start; index < sent.length; index++) {
          const packet = sent[index];
          if (packet === undefined) break;
          if (arrived.has(packet.number)) {
            if (wanted) return packet.at;
          } else if (now - packet.at < lostAfterNs) break;
          else if (!wanted) return packet.at;
        }
        await wait(5);
      }
      throw new Error(`no datagram ${wanted ? "arrived" : "was dropped"} within ${giveUpMs} ms`);
    },
    stop() {
      for (const child of children) child.stdin?.end();
    },
  };
  return stream;
}

/** The network namespace of a pod, as the agent noted it in OVSDB. */
async function podNetns(lab: Lab, node: string, podName: string): Promise<string> {
  const folder = lab.paths.node(node).ovs;
  const output = await run("ovs-vsctl", [
    `--db=unix:${folder}/db.sock`,
    "--bare",
    "--columns=external_ids",
    "find",
    "Port",
    `external_ids:pod-name=${podName}`,
  ]);
  const netns = /net-ns="?([^"\s]+)"?/.exec(output)?.[1];
  if (netns === undefined) throw new Error(`the switch of ${node} has no port of pod ${podName}: ${output}`);
  return netns;
}
