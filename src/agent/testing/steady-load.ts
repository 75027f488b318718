// Runs in a pod's network namespace: several kinds of traffic to one address until standard input ends, then prints a line of JSON, a `LoadSent`.
// usage: steady-load.ts TARGET SERVICE PACKETS-PER-SECOND
import { createSocket } from "node:dgram";
import { connect } from "node:net";
import { setTimeout as wait } from "node:timers/promises";
import { loadPorts } from "./load-ports.ts";

const [target = "", service = "", rate = "100"] = process.argv.slice(2);
const intervalMs = 1_000 / Number(rate);
/** Packets that may leave at once after the machine gave no time: more would test socket buffers, not the switch. */
const burst = Math.max(4, Math.ceil(Number(rate) / 500));
/** With as many source ports, each of the 2^16 pairs of ports is a connection of its own. */
const sources = 64;
const family = target.includes(":") ? "udp6" : "udp4";
const payload = Buffer.alloc(32);

export interface LoadSent {
  /** Datagrams of one connection. */
  readonly stream: number;
  /** Datagrams that each began a connection. */
  readonly connections: number;
  /** Lines over one TCP connection, and how many of them came back. */
  readonly tcp: { readonly sent: number; readonly echoed: number; readonly problem: string | undefined };
  /** TCP connections to the service, one after the other: those answered, and what was wrong with others. */
  readonly service: { readonly answered: number; readonly problems: readonly string[] };
}

let ended = false;
process.stdin
  .on("end", () => {
    ended = true;
  })
  .resume();

async function sendDatagrams(): Promise<Pick<LoadSent, "stream" | "connections">> {
  const sockets = Array.from({ length: sources + 1 }, () => createSocket(family));
  await Promise.all(sockets.map((socket) => new Promise<void>((resolve) => socket.bind(0, () => resolve()))));
  const sent = { stream: 0, connections: 0 };
  for (let due = performance.now(); !ended; await wait(1)) {
    const now = performance.now();
    due = Math.max(due, now - burst * intervalMs);
    for (; due <= now; due += intervalMs) {
      sockets[0]?.send(payload, loadPorts.stream, target);
      const source = 1 + (Math.floor(sent.connections / loadPorts.connections.count) % sources);
      sockets[source]?.send(payload, loadPorts.connections.first + (sent.connections % loadPorts.connections.count), target);
      sent.stream++;
      sent.connections++;
    }
  }
  // Behind the sends: they leave in order.
  await Promise.all(sockets.map((socket) => new Promise<void>((resolve) => socket.close(() => resolve()))));
  return sent;
}

async function talk(): Promise<LoadSent["tcp"]> {
  const socket = connect({ host: target, port: loadPorts.echo });
  let problem: string | undefined;
  let received = "";
  let sent = 0;
  socket.on("error", ({ message }) => {
    problem = message;
  });
  socket.on("close", () => {
    problem ??= "closed by the other side";
  });
  socket.on("data", (chunk) => {
    received += String(chunk);
  });
  for (; !ended && problem === undefined; sent++) {
    socket.write(`${sent}\n`);
    await wait(10);
  }
  const expected = Array.from({ length: sent }, (_, line) => `${line}\n`).join("");
  while (received.length < expected.length && problem === undefined) await wait(5);
  socket.destroy();
  return { sent, echoed: received === expected ? sent : received.split("\n").length - 1, problem };
}

async function askService(): Promise<LoadSent["service"]> {
  const problems: string[] = [];
  let answered = 0;
  for (; !ended; await wait(20)) {
    const problem = await new Promise<string | undefined>((resolve) => {
      const socket = connect({ host: service, port: loadPorts.service });
      socket.on("error", ({ message }) => resolve(message));
      socket.on("data", () => void socket.destroy());
      socket.on("close", () => resolve(socket.bytesRead > 0 ? undefined : "no answer"));
    });
    if (problem === undefined) answered++;
    else problems.push(problem);
  }
  return { answered, problems };
}

const [datagrams, tcp, served] = await Promise.all([sendDatagrams(), talk(), askService()]);
process.stdout.write(`${JSON.stringify({ ...datagrams, tcp, service: served } satisfies LoadSent)}\n`);
process.exit(0);
