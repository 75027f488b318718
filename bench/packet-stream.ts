import { execFile, spawn } from "node:child_process";
import { setTimeout as wait } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { text } from "node:stream/consumers";

/** A stream of one UDP connection at a steady rate, from one network namespace to another. */
export interface PacketStream {
  /** Ends it. What was sent and did not arrive. */
  stop(): Promise<{ readonly sent: number; readonly lost: number }>;
}

export interface StreamEnds {
  /** Network namespaces, as `ip netns` knows them, or the paths of their files. */
  readonly from: string;
  readonly to: string;
  /** An IPv4 address of `to`. */
  readonly target: string;
  readonly packetsPerSecond: number;
}

const port = 30_000;
/** How long the last packets may be on their way. */
const drainMs = 500;
/** As long as a switch may take for the first packets on a busy machine; a stream that nothing lets through would be waited for without an end. */
const arrivalMs = 30_000;
const table = "stream";

/**
 * Starts the stream and resolves when packets arrive. nftables counts them at the receiver's input, so that no busy process there loses any: what is lost
 * is lost between the two.
 */
export async function startPacketStream({ from, to, target, packetsPerSecond }: StreamEnds): Promise<PacketStream> {
  const rules = `add table inet ${table}
delete table inet ${table}
table inet ${table} { 
  counter arrived { }
  chain input {
    type filter hook input priority 0
    udp dport ${port} counter name arrived drop
  }
}`;
  const nft = spawn("nsenter", [inside(to), "nft", "-f", "-"], { stdio: ["pipe", "ignore", "inherit"] });
  nft.stdin.end(rules);
  await new Promise((resolve) => nft.once("exit", resolve));
  const arrived = async (): Promise<number> => {
    const { stdout } = await run("nsenter", [inside(to), "nft", "list", "counter", "inet", table, "arrived"]);
    return Number(/packets (\d+)/.exec(stdout)?.[1] ?? Number.NaN);
  };
  const sender = spawn(
    "setpriv",
    ["--pdeathsig", "KILL", "nsenter", inside(from), process.execPath, script, target, String(port), String(packetsPerSecond)],
    { stdio: ["pipe", "pipe", "inherit"] },
  );
  const output = text(sender.stdout);
  const deadline = performance.now() + arrivalMs;
  while ((await arrived()) < packetsPerSecond / 10) {
    if (performance.now() > deadline) throw new Error(`no packet stream from ${from} arrives at ${target} in ${to}`);
    if (sender.exitCode !== null) throw new Error("the sender of the packet stream ended");
    await wait(20);
  }
  return {
    async stop() {
      sender.stdin.end();
      const sent = Number(await output);
      await wait(drainMs);
      return { sent, lost: sent - (await arrived()) };
    },
  };
}

const inside = (netns: string): string => `--net=${netns.startsWith("/") ? netns : `/var/run/netns/${netns}`}`;

const run = promisify(execFile);
const script = fileURLToPath(new URL("./steady-sender.ts", import.meta.url));
