// Runs in a pod's network namespace: several kinds of traffic to one or more addresses. Prints `flowing` when each kind has had an answer, and when standard input
// ends a line of JSON, a `LoadSent` for each address.
// usage: steady-load.ts PACKETS-PER-SECOND TARGET SERVICE [TARGET SERVICE]…
import { createSocket, type Socket } from "node:dgram";
import { connect } from "node:net";
import { setTimeout as wait } from "node:timers/promises";
import { loadPorts } from "./load-ports.ts";

const [rate = "100", ...addresses] = process.argv.slice(2);
const intervalMs = 1_000 / Number(rate);
/** Packets that may leave at once after the machine gave no time: more would test socket buffers, not the switch. */
const burst = Math.max(4, Math.ceil(Number(rate) / 500));
/** Between lines over TCP, and between connections to the Service: as often as they tell something new, and no more of a slow machine's time than datagrams take. */
const lineEveryMs = Math.max(10, 2 * intervalMs);
const connectionEveryMs = Math.max(20, 4 * intervalMs);
/** With as many source ports, each of the 2^16 pairs of ports is a connection of its own. */
const sources = 64;
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

const ways = addresses.flatMap((target, index) => (index % 2 === 0 ? [{ target, service: addresses[index + 1] ?? "" }] : []));
let ended = false;
process.stdin
  .on("end", () => {
    ended = true;
  })
  .resume();

/** TCP to each target, and to each Service. */
const unanswered = new Set(addresses);
/** Also where what came was an error: the result tells it. */
function isAnswered(address: string): void {
  if (unanswered.delete(address) && unanswered.size === 0) process.stdout.write("flowing\n");
}

/** As many of each kind to each target. */
async function sendDatagrams(): Promise<Pick<LoadSent, "stream" | "connections">> {
  const each = ways.map(({ target }) => ({ target, sockets: new Map<number, Socket>() }));
  const { first, count } = loadPorts.connections;
  let sent = 0;
  for (let due = performance.now(); !ended; await wait(Math.max(1, due - performance.now()))) {
    const now = performance.now();
    due = Math.max(due, now - burst * intervalMs);
    for (; due <= now; due += intervalMs, sent++)
      for (const { target, sockets } of each) {
        const send = (source: number, port: number): void => {
          const socket = sockets.get(source) ?? createSocket(target.includes(":") ? "udp6" : "udp4");
          sockets.set(source, socket);
          socket.send(payload, port, target);
        };
        send(0, loadPorts.stream);
        send(1 + (Math.floor(sent / count) % sources), first + (sent % count));
      }
  }
  // Behind the sends: they leave in order.
  const all = each.flatMap(({ sockets }) => [...sockets.values()]);
  await Promise.all(all.map((socket) => new Promise<void>((resolve) => socket.close(() => resolve()))));
  return { stream: sent, connections: sent };
}

async function talk(target: string): Promise<LoadSent["tcp"]> {
  const socket = connect({ host: target, port: loadPorts.echo, noDelay: true });
  let problem: string | undefined;
  let received = "";
  let sent = 0;
  socket.on("error", ({ message }) => {
    problem = message;
  });
  socket.on("close", () => {
    problem ??= "closed by the other side";
    isAnswered(target);
  });
  socket.on("data", (chunk) => {
    received += String(chunk);
    isAnswered(target);
  });
  for (; !ended && problem === undefined; sent++) {
    socket.write(`${sent}\n`);
    await wait(lineEveryMs);
  }
  const expected = Array.from({ length: sent }, (_, line) => `${line}\n`).join("");
  while (received.length < expected.length && problem === undefined) await wait(5);
  socket.destroy();
  return { sent, echoed: received === expected ? sent : received.split("\n").length - 1, problem };
}

async function askService(service: string): Promise<LoadSent["service"]> {
  const problems: string[] = [];
  let answered = 0;
  for (; !ended; await wait(connectionEveryMs)) {
    const problem = await new Promise<string | undefined>((resolve) => {
      const socket = connect({ host: service, port: loadPorts.service });
      socket.on("error", ({ message }) => resolve(message));
      socket.on("data", () => void socket.destroy());
      socket.on("close", () => resolve(socket.bytesRead > 0 ? undefined : "no answer"));
    });
    isAnswered(service);
    if (problem === undefined) answered++;
    else problems.push(problem);
  }
  return { answered, problems };
}

const datagrams = sendDatagrams();
const results = ways.map(async ({ target, service }): Promise<LoadSent> => {
  const [sent, tcp, served] = await Promise.all([datagrams, talk(target), askService(service)]);
  return { ...sent, tcp, service: served };
});
process.stdout.write(`${JSON.stringify(await Promise.all(results))}\n`);
process.exit(0);
