import { type ChildProcess, execFile, spawn } from "node:child_process";
import { text } from "node:stream/consumers";
import { setTimeout as wait } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { loadPorts } from "./load-ports.ts";
import type { LoadSent } from "./steady-load.ts";

const run = promisify(execFile);
const program = fileURLToPath(new URL("./steady-load.ts", import.meta.url));
/** How long the last packets may be on their way. */
const drainMs = 500;
const table = "load";

export interface LoadEnds {
  /** Network namespaces, as `ip netns` knows them. */
  readonly from: string;
  readonly to: string;
  /** An address of `to`. */
  readonly target: string;
  /** An address of a Service whose endpoint `to` is. */
  readonly service: string;
  /** Of each kind of datagrams. */
  readonly packetsPerSecond: number;
}

/** What became of the traffic: datagrams that did not arrive, and what was wrong with connections. */
export interface LoadResult extends LoadSent {
  readonly lost: { readonly stream: number; readonly connections: number };
}

/**
 * A stream of datagrams of one connection, datagrams that each begin a connection, a TCP connection that talks all the time, and TCP connections to a
 * Service. Resolves when all of it flows. nftables counts datagrams at the receiver's input, so that what is lost is lost between the two.
 */
export async function startLoad({ from, to, target, service, packetsPerSecond }: LoadEnds): Promise<{ stop(): Promise<LoadResult> }> {
  const counter = (kind: string): string => `${kind}-${target.includes(":") ? 6 : 4}`;
  const { first, count } = loadPorts.connections;
  const family = target.includes(":") ? "ipv6" : "ipv4";
  await nft(
    to,
    `table inet ${table} {
  counter ${counter("stream")} { }
  counter ${counter("connections")} { }
  chain input-${family} {
    type filter hook input priority 0
    meta nfproto ${family} udp dport ${loadPorts.stream} counter name "${counter("stream")}" drop
    meta nfproto ${family} udp dport ${first}-${first + count - 1} counter name "${counter("connections")}" drop
  }
}`,
  );
  const arrived = async (kind: "stream" | "connections"): Promise<number> => {
    const { stdout } = await run("ip", ["netns", "exec", to, "nft", "list", "counter", "inet", table, counter(kind)]);
    return Number(/packets (\d+)/.exec(stdout)?.[1] ?? Number.NaN);
  };
  const before = { stream: await arrived("stream"), connections: await arrived("connections") };
  const sender = inNamespace(from, process.execPath, program, target, service, String(packetsPerSecond));
  if (sender.stdout === null) throw new TypeError("a program without pipes");
  const output = text(sender.stdout);
  while ((await arrived("connections")) - before.connections < packetsPerSecond / 10) {
    if (sender.exitCode !== null) throw new Error("the load ended by itself");
    await wait(20);
  }
  return {
    async stop() {
      sender.stdin?.end();
      const sent = JSON.parse(await output) as LoadSent;
      await wait(drainMs);
      const lost = async (kind: "stream" | "connections"): Promise<number> => sent[kind] + before[kind] - (await arrived(kind));
      return { ...sent, lost: { stream: await lost("stream"), connections: await lost("connections") } };
    },
  };
}

/**
 * How many packets a switch in user space has not read so far, as it had no processor time before its sockets were full (`d` of ss -m, sk_drops): lost to the
 * machine, whatever the flows. A switch in the kernel has no such sockets. Ports that went took their numbers along.
 */
export async function unreadPackets(namespace: string): Promise<number> {
  const { stdout } = await run("ip", ["netns", "exec", namespace, "ss", "-0", "-n", "-m"]);
  return [...stdout.matchAll(/skmem:\([^)]*,d(\d+)\)/g)].reduce((sum, [, drops]) => sum + Number(drops), 0);
}

/** Starts what answers {@link startLoad} at its target, for both families. */
export function answerLoad(namespace: string): { stop(): void } {
  const servers = [
    inNamespace(namespace, "busybox", "nc", "-ll", "-p", String(loadPorts.echo), "-e", "busybox", "cat"),
    inNamespace(namespace, "busybox", "nc", "-ll", "-p", String(loadPorts.service), "-e", "busybox", "echo", "here"),
  ];
  return { stop: () => servers.forEach((server) => void server.kill("SIGKILL")) };
}

const inNamespace = (namespace: string, ...command: readonly string[]): ChildProcess =>
  spawn("setpriv", ["--pdeathsig", "KILL", "ip", "netns", "exec", namespace, ...command], { stdio: ["pipe", "pipe", "inherit"] });

async function nft(namespace: string, rules: string): Promise<void> {
  const child = spawn("ip", ["netns", "exec", namespace, "nft", "-f", "-"], { stdio: ["pipe", "ignore", "inherit"] });
  child.stdin.end(rules);
  await new Promise((resolve) => child.once("exit", resolve));
}
