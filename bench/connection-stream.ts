import { type ChildProcess, spawn } from "node:child_process";
import { setTimeout as wait } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { run } from "../src/lab/command.ts";
import type { Lab } from "../src/lab/lab.ts";
import type { NetworkPolicy } from "../src/lib/kube/index.ts";

export const packetsPerSecond = 2_000;
const firstPort = 20_000;
const ports = 60;

/** Closes pod `server` to everybody. */
export const denyPolicy: NetworkPolicy = {
  metadata: { name: "deny", namespace: "default" },
  spec: { podSelector: { matchLabels: { app: "server" } }, policyTypes: ["Ingress"] },
};

/** New connections from pod `client` on node-1 to a pod on node-2, one after the other, and what became of each. */
export interface Stream {
  steady(): Promise<void>;
  /**
   * When the first datagram sent after `since` whose fate was `arrived` was sent. With `run`, the first of so many in a row: on a busy machine single ones are lost
   * without any policy.
   */
  firstAfter(options: { readonly since: bigint; readonly arrived: boolean; readonly run?: number }): Promise<bigint>;
  stop(): void;
}

/** A datagram that has not arrived this long after it was sent counts as dropped. */
const lostAfterNs = 100_000_000n;
const giveUpMs = 10_000;

export async function startStream({
  lab,
  target,
  receiver = "server",
}: {
  readonly lab: Lab;
  /** Address of the receiver. */
  readonly target: string;
  /** Name of the pod. */
  readonly receiver?: string;
}): Promise<Stream> {
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
  await inPod("node-2", receiver, "./udp-receiver.ts", [target.includes(":") ? "6" : "4", String(firstPort), String(ports)], (line) =>
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
    async firstAfter({ since, arrived: wanted, run: length = 1 }) {
      for (let left = giveUpMs; left > 0; left -= 5) {
        const now = process.hrtime.bigint();
        while ((sent[start]?.at ?? since) < since) start++;
        let first: bigint | undefined;
        let alike = 0;
        for (let index = start; index < sent.length; index++) {
          const packet = sent[index];
          if (packet === undefined) break;
          const hasArrived = arrived.has(packet.number);
          if (!hasArrived && now - packet.at < lostAfterNs) break;
          alike = hasArrived === wanted ? alike + 1 : 0;
          if (alike === 1) first = packet.at;
          if (alike === length && first !== undefined) return first;
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
export async function podNetns(lab: Lab, node: string, podName: string): Promise<string> {
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
