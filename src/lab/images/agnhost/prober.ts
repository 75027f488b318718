import { spawn } from "node:child_process";
import { createSocket, type Socket as UdpSocket } from "node:dgram";
import { rmSync } from "node:fs";
import { connect, createServer, type Server, type Socket } from "node:net";
import { deadline } from "#lib/runtime/deadline.ts";
import { milliseconds } from "#lib/runtime/duration.ts";
import { readFlags } from "./flags.ts";

/** A way out of the prober: who is asked, by what. Source port 0: any. */
export interface ProbedWay {
  readonly host: string;
  readonly port: number;
  readonly protocol: "tcp" | "udp" | "icmp";
  readonly sourcePort?: number;
}

/** One line of a prober's socket. `open` makes a connection that stays; `exchange` sends a word over it and waits for its echo. */
export type ProberRequest = { readonly id: number; readonly timeoutMs: number } & (
  | { readonly op: "probe"; readonly ways: readonly ProbedWay[] }
  | { readonly op: "open"; readonly name: string; readonly way: ProbedWay }
  | { readonly op: "exchange"; readonly names: readonly string[] }
  | { readonly op: "close"; readonly names: readonly string[] }
);

/** `ok`, `drop`, `refused`, or the system's name of what went wrong (`EHOSTUNREACH`), in the order of the question. */
export interface ProberAnswer {
  readonly id: number;
  readonly verdicts: readonly string[];
}

/**
 * `prober --socket=PATH [--ports=80,81]`: echoes on the TCP and UDP ports, and asks what it is told on a Unix socket, one JSON object a line.
 * One process per pod that lives as long as the pod: a matrix of thousands of questions costs no exec each. An addition of ours.
 */
export async function prober(args: readonly string[], print: (line: string) => void): Promise<never> {
  const flags = readFlags(args, ["socket", "ports"]);
  const path = flags.text("socket", "");
  const ports = flags
    .text("ports", "")
    .split(",")
    .filter((port) => port !== "")
    .map(Number);
  await Promise.all(ports.flatMap((port) => [echoTcp(port), echoUdp(port)]));
  rmSync(path, { force: true });
  const connections = createConnections();
  const server = createServer((client) => {
    let rest = "";
    client.setEncoding("utf8");
    client.on("error", () => client.destroy());
    client.on("data", (chunk: string) => {
      const lines = (rest + chunk).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) {
        const request = JSON.parse(line) as ProberRequest;
        void answer(request, connections).then((verdicts) => client.write(`${JSON.stringify({ id: request.id, verdicts })}\n`));
      }
    });
  });
  await listening(server, () => server.listen(path));
  print(`Probing for ${path}`);
  return new Promise(() => {});
}

async function answer(request: ProberRequest, connections: Connections): Promise<readonly string[]> {
  const { timeoutMs } = request;
  switch (request.op) {
    case "probe":
      return Promise.all(request.ways.map((way) => probeOnce(way, timeoutMs)));
    case "open":
      return [await connections.open(request.name, request.way, timeoutMs)];
    case "exchange":
      return Promise.all(request.names.map((name) => connections.exchange(name, timeoutMs)));
    case "close":
      return request.names.map((name) => connections.close(name));
  }
}

async function probeOnce(way: ProbedWay, timeoutMs: number): Promise<string> {
  if (way.protocol === "icmp") return ping(way.host, timeoutMs);
  const { verdict, close } = await (way.protocol === "udp" ? openUdp(way, timeoutMs) : openTcp(way, timeoutMs));
  close();
  return verdict;
}

interface Opened {
  readonly verdict: string;
  readonly tcp?: Socket;
  readonly udp?: UdpSocket;
  readonly close: () => void;
}

function openTcp({ host, port, sourcePort }: ProbedWay, timeoutMs: number): Promise<Opened> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, ...(sourcePort === undefined ? {} : { localPort: sourcePort }) });
    // A reset and not a FIN: neither end keeps the connection, so that its ports are free at once.
    const close = (): void => void socket.resetAndDestroy();
    const waiting = deadline(milliseconds(timeoutMs), () => end("drop"));
    const end = (verdict: string): void => {
      waiting.cancel();
      if (verdict !== "ok") close();
      resolve({ verdict, tcp: socket, close });
    };
    socket.once("connect", () => end("ok"));
    socket.on("error", ({ code }: NodeJS.ErrnoException) => end(verdictOf(code)));
  });
}

/** Below the system's own choice of ports, each once until they are through: a connection tracker knows none of them from before. */
const firstUdpPort = 10_000;
const lastUdpPort = 32_000;
let nextUdpPort = firstUdpPort;

function openUdp({ host, port, sourcePort }: ProbedWay, timeoutMs: number): Promise<Opened> {
  return new Promise((resolve) => {
    // Of one family each: both may ask from the same port.
    const socket = createSocket(host.includes(":") ? { type: "udp6", ipv6Only: true } : { type: "udp4" });
    const close = (): void => {
      try {
        socket.close();
      } catch {
        // closed already
      }
    };
    // From when it is sent: on a busy machine sockets of many questions take long to be made.
    let waiting: ReturnType<typeof deadline> | undefined;
    const end = (verdict: string): void => {
      waiting?.cancel();
      if (verdict !== "ok") close();
      resolve({ verdict, udp: socket, close });
    };
    const ask = (): void => {
      socket.send("probe");
      waiting = deadline(milliseconds(timeoutMs), () => end("drop"));
    };
    socket.once("message", () => end("ok"));
    socket.on("error", ({ code }: NodeJS.ErrnoException) => end(verdictOf(code)));
    if (nextUdpPort > lastUdpPort) nextUdpPort = firstUdpPort;
    socket.bind(sourcePort ?? nextUdpPort++, () => socket.connect(port, host, ask));
  });
}

function verdictOf(code: string | undefined): string {
  return code === "ECONNREFUSED" || code === "ECONNRESET" ? "refused" : (code ?? "error");
}

/** Echo requests need a raw socket, which Node has none of: the shell's ping has. It counts time in whole seconds. */
function ping(host: string, timeoutMs: number): Promise<string> {
  return new Promise((resolve) => {
    const child = spawn("busybox", [host.includes(":") ? "ping6" : "ping", "-c", "1", "-W", String(Math.ceil(timeoutMs / 1_000)), host], {
      stdio: "ignore",
    });
    child.once("error", ({ code }: NodeJS.ErrnoException) => resolve(code ?? "error"));
    child.once("close", (code) => resolve(code === 0 ? "ok" : "drop"));
  });
}

interface Connections {
  open(name: string, way: ProbedWay, timeoutMs: number): Promise<string>;
  exchange(name: string, timeoutMs: number): Promise<string>;
  close(name: string): string;
}

function createConnections(): Connections {
  const opened = new Map<string, Opened>();
  let words = 0;
  return {
    async open(name, way, timeoutMs) {
      const connection = await (way.protocol === "udp" ? openUdp(way, timeoutMs) : openTcp(way, timeoutMs));
      if (connection.verdict === "ok") opened.set(name, connection);
      return connection.verdict;
    },
    exchange(name, timeoutMs) {
      const { tcp, udp } = opened.get(name) ?? {};
      const socket = tcp ?? udp;
      if (socket === undefined) return Promise.resolve("closed");
      const word = `word ${++words};`;
      return new Promise((resolve) => {
        let heard = "";
        const end = (verdict: string): void => {
          waiting.cancel();
          socket.off("data", listen).off("message", listen).off("error", fail);
          resolve(verdict);
        };
        const listen = (part: Buffer): void => {
          heard += part.toString();
          if (heard.includes(word)) end("ok");
        };
        const fail = ({ code }: NodeJS.ErrnoException): void => end(verdictOf(code));
        const waiting = deadline(milliseconds(timeoutMs), () => end("drop"));
        socket.on("data", listen).on("message", listen).on("error", fail);
        if (tcp !== undefined) tcp.write(word);
        else udp?.send(word);
      });
    },
    close(name) {
      opened.get(name)?.close();
      return opened.delete(name) ? "ok" : "closed";
    },
  };
}

async function echoTcp(port: number): Promise<void> {
  const server = createServer((client) => {
    client.on("error", () => client.destroy());
    client.pipe(client);
  });
  await listening(server, () => server.listen({ port, host: "::", backlog: 511 }));
}

function echoUdp(port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = createSocket({ type: "udp6", ipv6Only: false });
    socket.once("error", reject);
    socket.on("message", (message, from) => socket.send(message, from.port, from.address, () => {}));
    socket.bind(port, "::", resolve);
  });
}

function listening(server: Server, listen: () => void): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.once("listening", resolve);
    listen();
  });
}
