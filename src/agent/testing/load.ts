import { type ChildProcessByStdio, execFile, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import { setTimeout as wait } from "node:timers/promises";
import { promisify } from "node:util";
import { patience } from "#lib/runtime/testing/patience.ts";
import { loadPorts } from "./load-ports.ts";
import type { LoadSent } from "./steady-load.ts";
import { testProgram } from "./test-program.ts";

const run = promisify(execFile);
/** How long the last packets may be on their way: only what is lost takes as long. */
const drainMs = patience(500);
const table = "load";

export interface LoadEnds {
  /** Network namespaces, as `ip netns` knows them. */
  readonly from: string;
  readonly to: string;
  /** One for each family. */
  readonly ways: readonly LoadWay[];
  /** Of each kind of datagrams, on each way. */
  readonly packetsPerSecond: number;
}

export interface LoadWay {
  /** An address of `to`. */
  readonly target: string;
  /** An address of a Service whose endpoint `to` is. */
  readonly service: string;
}

/** What became of the traffic of one way: datagrams that did not arrive, and what was wrong with connections. */
export interface LoadResult extends LoadSent {
  readonly lost: { readonly stream: number; readonly connections: number };
}

export interface Load {
  /** Sends no more, and tells what became of all. */
  stop(): Promise<LoadResult[]>;
  /** Of one that nobody asks: ends its process. */
  kill(): void;
}

/**
 * A stream of datagrams of one connection, datagrams that each begin a connection, a TCP connection that talks all the time, and TCP connections to a
 * Service. Resolves when all of it flows. nftables counts datagrams at the receiver's input, so that what is lost is lost between the two.
 */
export async function startLoad({ from, to, ways, packetsPerSecond }: LoadEnds): Promise<Load> {
  await count(to);
  const words = ways.flatMap(({ target, service }) => [target, service]);
  const sender = inNamespace(from, process.execPath, ...testProgram("steady-load.ts"), String(packetsPerSecond), ...words);
  const lines = createInterface({ input: sender.stdout })[Symbol.asyncIterator]();
  if ((await lines.next()).done) throw new Error("the load ended by itself");
  return {
    async stop() {
      sender.stdin.end();
      const sent = JSON.parse((await lines.next()).value ?? "[]") as LoadSent[];
      for (const started = performance.now(); ; await wait(20)) {
        const arrived = await arrivedAt(to);
        const results = sent.map((one, way) => {
          const family = familyOf(ways[way]?.target ?? "");
          const lost = (kind: Kind): number => one[kind] - (arrived.get(counterOf(kind, family)) ?? Number.NaN);
          return { ...one, lost: { stream: lost("stream"), connections: lost("connections") } };
        });
        const isAllThere = results.every(({ lost }) => lost.stream + lost.connections === 0);
        if (isAllThere || performance.now() - started > drainMs) return results;
      }
    },
    kill: () => void sender.kill("SIGKILL"),
  };
}

type Kind = "stream" | "connections";
type AddressFamily = "ipv4" | "ipv6";
const familyOf = (address: string): AddressFamily => (address.includes(":") ? "ipv6" : "ipv4");
const counterOf = (kind: Kind, family: AddressFamily): string => `${kind}-${family}`;

/** Has the receiver count each kind of each family, from zero. */
async function count(namespace: string): Promise<void> {
  const { first, count } = loadPorts.connections;
  const ports = { stream: loadPorts.stream, connections: `${first}-${first + count - 1}` };
  const counted = (["stream", "connections"] as const).flatMap((kind) =>
    (["ipv4", "ipv6"] as const).map((family) => ({ kind, family, name: counterOf(kind, family) })),
  );
  const child = inNamespace(namespace, "nft", "-f", "-");
  child.stdin.end(`table inet ${table}
delete table inet ${table}
table inet ${table} {
${counted.map(({ name }) => `  counter ${name} { }`).join("\n")}
  chain input {
    type filter hook input priority 0
${counted.map(({ kind, family, name }) => `    meta nfproto ${family} udp dport ${ports[kind]} counter name "${name}" drop`).join("\n")}
  }
}`);
  const code = await new Promise((resolve) => child.once("exit", resolve));
  if (code !== 0) throw new Error(`nft: exit code ${code}`);
}

interface ListedCounters {
  readonly nftables: readonly { readonly counter?: { readonly name: string; readonly packets: number } }[];
}

/** How many packets, by counter. */
async function arrivedAt(namespace: string): Promise<Map<string, number>> {
  const { stdout } = await run("ip", ["netns", "exec", namespace, "nft", "-j", "list", "counters", "table", "inet", table]);
  const { nftables } = JSON.parse(stdout) as ListedCounters;
  return new Map(nftables.flatMap(({ counter }) => (counter === undefined ? [] : [[counter.name, counter.packets] as const])));
}

/**
 * How many packets a switch in user space has not read so far, as it had no processor time before its sockets were full (`d` of ss -m, sk_drops): lost to the
 * machine, whatever the flows. A switch in the kernel has no such sockets. Ports that went took their numbers along.
 */
export async function unreadPackets(namespace: string): Promise<number> {
  const { stdout } = await run("ip", ["netns", "exec", namespace, "ss", "-0", "-n", "-m"]);
  return [...stdout.matchAll(/skmem:\([^)]*,d(\d+)\)/g)].reduce((sum, [, drops]) => sum + Number(drops), 0);
}

/** Starts what answers {@link startLoad} at its target. Resolves when it does. */
export async function answerLoad(namespace: string): Promise<{ stop(): void }> {
  const server = inNamespace(namespace, process.execPath, ...testProgram("answer-load.ts"));
  const lines = createInterface({ input: server.stdout })[Symbol.asyncIterator]();
  if ((await lines.next()).done) throw new Error("what answers the load ended by itself");
  return { stop: () => void server.kill("SIGKILL") };
}

const inNamespace = (namespace: string, ...command: readonly string[]): ChildProcessByStdio<Writable, Readable, null> =>
  spawn("setpriv", ["--pdeathsig", "KILL", "ip", "netns", "exec", namespace, ...command], { stdio: ["pipe", "pipe", "inherit"] });
