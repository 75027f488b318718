import { createSocket } from "node:dgram";
import { connect } from "node:net";
import { deadline } from "#lib/runtime/deadline.ts";
import { milliseconds, parseDuration } from "#lib/runtime/duration.ts";

/** Most probes under way at once: enough for a whole row of a matrix, few enough for a small container. */
const maxConcurrent = 128;

interface ProbeOptions {
  readonly timeoutMs: number;
  readonly protocol: string;
}

/**
 * `probe [--timeout=1s] [--protocol=tcp|udp] HOST:PORT…`: tries all targets at once, one connection each, and prints `TARGET ok`,
 * `TARGET drop` or `TARGET refused` per target in their order. An addition of ours to the commands of the well-known image.
 */
export async function probe(args: readonly string[], print: (line: string) => void): Promise<number> {
  const options = optionsOf(args);
  const targets = args.filter((arg) => !arg.startsWith("--"));
  for (let at = 0; at < targets.length; at += maxConcurrent) {
    const part = targets.slice(at, at + maxConcurrent);
    const verdicts = await Promise.all(part.map((target) => tryOnce(target, options)));
    for (const [index, target] of part.entries()) print(`${target} ${verdicts[index]}`);
  }
  return 0;
}

/**
 * `probe-loop [--interval=5ms] [--timeout=200ms] [--protocol=tcp|udp] HOST:PORT`: a new connection every interval; prints
 * `MILLISECONDS ok|drop|refused` for each, with the wall time at which it was begun. Runs until it is ended.
 */
export async function probeLoop(args: readonly string[], print: (line: string) => void): Promise<never> {
  const options = optionsOf(args);
  const interval = durationOf(args, "interval", 5);
  const target = args.find((arg) => !arg.startsWith("--")) ?? "";
  return new Promise(() => {
    setInterval(() => {
      const begun = Date.now();
      void tryOnce(target, options).then((verdict) => print(`${begun} ${verdict}`));
    }, interval);
  });
}

function optionsOf(args: readonly string[]): ProbeOptions {
  const protocol = args.find((arg) => arg.startsWith("--protocol="))?.slice("--protocol=".length) ?? "tcp";
  return { timeoutMs: durationOf(args, "timeout", 1_000), protocol };
}

/** What a flag says, in milliseconds. */
export function durationOf(args: readonly string[], flag: string, otherwise: number): number {
  const text = args.find((arg) => arg.startsWith(`--${flag}=`))?.slice(flag.length + 3);
  return (text === undefined ? undefined : parseDuration(text)) ?? otherwise;
}

/** Of `HOST:PORT`, with an IPv6 address in brackets. */
export function endpointOf(target: string): { readonly host: string; readonly port: number } {
  const colon = target.lastIndexOf(":");
  return { host: target.slice(0, colon).replace(/^\[|\]$/g, ""), port: Number(target.slice(colon + 1)) };
}

type Verdict = "ok" | "drop" | "refused";

function tryOnce(target: string, { timeoutMs, protocol }: ProbeOptions): Promise<Verdict> {
  const { host, port } = endpointOf(target);
  return protocol === "udp" ? tryUdp(host, port, timeoutMs) : tryTcp(host, port, timeoutMs);
}

function tryTcp(host: string, port: number, timeoutMs: number): Promise<Verdict> {
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    const end = (verdict: Verdict): void => {
      waiting.cancel();
      socket.destroy();
      resolve(verdict);
    };
    const waiting = deadline(milliseconds(timeoutMs), () => end("drop"));
    socket.once("connect", () => end("ok"));
    socket.once("error", (error: NodeJS.ErrnoException) =>
      end(error.code === "ECONNREFUSED" || error.code === "ECONNRESET" ? "refused" : "drop"),
    );
  });
}

/** The server's UDP port answers `hostname` with its name: any answer will do. */
function tryUdp(host: string, port: number, timeoutMs: number): Promise<Verdict> {
  return new Promise((resolve) => {
    const socket = createSocket(host.includes(":") ? "udp6" : "udp4");
    const end = (verdict: Verdict): void => {
      waiting.cancel();
      socket.close();
      resolve(verdict);
    };
    const waiting = deadline(milliseconds(timeoutMs), () => end("drop"));
    socket.once("message", () => end("ok"));
    socket.once("error", (error: NodeJS.ErrnoException) => end(error.code === "ECONNREFUSED" ? "refused" : "drop"));
    socket.connect(port, host, () => socket.send("hostname"));
  });
}
