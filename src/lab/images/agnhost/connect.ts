import { createSocket } from "node:dgram";
import { lookup } from "node:dns/promises";
import { connect as connectTcp } from "node:net";
import { deadline } from "#lib/runtime/deadline.ts";
import { milliseconds } from "#lib/runtime/duration.ts";
import { readFlags } from "./flags.ts";

/**
 * `connect HOST:PORT [--timeout=1s] [--protocol=tcp|udp] [--udp-data=TEXT]`: nothing and 0 when the way is open; otherwise 1 and one of
 * TIMEOUT, REFUSED, DNS, UNKNOWN, OTHER on standard error.
 */
export async function connect(args: readonly string[], complain: (line: string) => void): Promise<number> {
  const flags = readFlags(args, ["timeout", "protocol", "udp-data", "sctp-data"]);
  const timeoutMs = flags.duration("timeout", 0);
  const protocol = flags.text("protocol", "tcp");
  const target = splitHostPort(flags.arguments[0] ?? "");
  if (target === undefined) return failed(complain, `UNKNOWN: ${JSON.stringify(flags.arguments[0] ?? "")} is not HOST:PORT`);
  let address: { readonly address: string; readonly family: number };
  try {
    address = await lookup(target.host);
  } catch (error) {
    return failed(complain, `DNS: ${error instanceof Error ? error.message : String(error)}`);
  }
  if (protocol === "tcp") return failed(complain, await tryTcp(address.address, target.port, timeoutMs));
  if (protocol === "udp")
    return failed(complain, await tryUdp(address, { port: target.port, timeoutMs, payload: `${flags.text("udp-data", "hostname")}\n` }));
  if (protocol === "sctp") return failed(complain, "OTHER: SCTP is not there yet in this stand-in of the image");
  return failed(complain, `Unsupported protocol\n${protocol}`);
}

function failed(complain: (line: string) => void, problem: string | undefined): number {
  if (problem === undefined) return 0;
  complain(problem);
  return 1;
}

/** `host:port` or `[host]:port`; undefined for anything else. */
export function splitHostPort(text: string): { readonly host: string; readonly port: number } | undefined {
  const match = /^(?:\[([^\]]*)\]|([^:[\]]*)):(\d{1,5})$/.exec(text);
  if (match === null) return undefined;
  return { host: match[1] ?? match[2] ?? "", port: Number(match[3]) };
}

function tryTcp(host: string, port: number, timeoutMs: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connectTcp({ host, port });
    const end = (problem?: string): void => {
      waiting?.cancel();
      socket.destroy();
      resolve(problem);
    };
    const waiting = timeoutMs > 0 ? deadline(milliseconds(timeoutMs), () => end("TIMEOUT")) : undefined;
    socket.once("connect", () => end());
    socket.once("error", (error: NodeJS.ErrnoException) => end(problemOf(error)));
  });
}

function problemOf(error: NodeJS.ErrnoException): string {
  if (error.code === "ECONNREFUSED") return "REFUSED";
  return error.code === "ETIMEDOUT" ? "TIMEOUT" : `OTHER: ${error.message}`;
}

interface UdpTry {
  readonly port: number;
  readonly timeoutMs: number;
  readonly payload: string;
}

function tryUdp(
  { address, family }: { readonly address: string; readonly family: number },
  { port, timeoutMs, payload }: UdpTry,
): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = createSocket(family === 6 ? "udp6" : "udp4");
    const end = (problem?: string): void => {
      waiting?.cancel();
      socket.close();
      resolve(problem);
    };
    const waiting = timeoutMs > 0 ? deadline(milliseconds(timeoutMs), () => end("TIMEOUT")) : undefined;
    socket.once("error", (error: NodeJS.ErrnoException) => end(problemOf(error)));
    socket.once("message", (answer) =>
      end(answer.length > 0 ? undefined : "OTHER: No data received from the server. Cannot guarantee the server received the request."),
    );
    socket.connect(port, address, () => socket.send(payload));
  });
}
