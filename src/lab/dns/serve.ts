import { createSocket, type Socket as UdpSocket } from "node:dgram";
import { once } from "node:events";
import { createServer, type Server, type Socket } from "node:net";
import { createMessageSplitter, encodeMessage, decodeMessage, framed, responseCode } from "#lib/dns/index.ts";
import { seconds } from "#lib/runtime/duration.ts";
import type { Forwarder } from "./forward.ts";
import { respond, type Responder } from "./respond.ts";

export interface DnsServer {
  /** The same over UDP and TCP. */
  readonly port: number;
  close(): void;
}

/** TCP clients at once, and how long one may be silent (RFC 7766 §6.2.3): what is over either is closed. */
const connectionLimit = 256;
const silenceLimit = seconds(10);

/** Answers on `port` of every address, over UDP and TCP. Port 0: any. */
export async function serveDns(options: {
  readonly port: number;
  readonly responder: Responder;
  readonly forwarder?: Forwarder | undefined;
}): Promise<DnsServer> {
  const { responder, forwarder } = options;
  const answer = async (request: Uint8Array, transport: "udp" | "tcp"): Promise<Uint8Array | undefined> => {
    const response = respond(request, transport, responder);
    if (response === "silence") return undefined;
    if (response !== "forward") return response.bytes;
    return (await forwarder?.ask(request)) ?? serverFailure(request);
  };
  const tcp = await listenTcp(options.port, (request) => answer(request, "tcp"));
  const { port } = tcp.address() as { readonly port: number };
  const udp = await listenUdp(port, (request) => answer(request, "udp"));
  return {
    port,
    close() {
      tcp.close();
      udp.close();
    },
  };
}

type Answer = (request: Uint8Array) => Promise<Uint8Array | undefined>;

async function listenUdp(port: number, answer: Answer): Promise<UdpSocket> {
  const socket = createSocket({ type: "udp6", ipv6Only: false });
  socket.on("message", (request, { port: to, address }) => {
    void answer(request).then((bytes) => {
      // A client that is gone concerns nobody.
      if (bytes !== undefined) socket.send(bytes, to, address, () => {});
    });
  });
  socket.bind(port, "::");
  await once(socket, "listening");
  return socket;
}

async function listenTcp(port: number, answer: Answer): Promise<Server> {
  const server = createServer((client) => serveClient(client, answer));
  server.maxConnections = connectionLimit;
  server.listen({ port, host: "::" });
  await once(server, "listening");
  return server;
}

function serveClient(client: Socket, answer: Answer): void {
  const splitter = createMessageSplitter();
  client.setTimeout(silenceLimit, () => client.destroy());
  client.on("error", () => client.destroy());
  client.on("data", (chunk: Buffer) => {
    // One chunk at a time: what a client sends faster than it is answered waits in its own socket.
    client.pause();
    const answers = splitter.push(chunk).map(answer);
    void Promise.all(answers).then((replies) => {
      for (const bytes of replies) if (bytes !== undefined) client.write(framed(bytes));
      // A client that does not read its answers is not read either, until its silence ends it.
      if (client.writableNeedDrain) client.once("drain", () => client.resume());
      else client.resume();
    });
  });
}

function serverFailure(request: Uint8Array): Uint8Array {
  const decoded = decodeMessage(request);
  const questions = decoded.ok ? decoded.message.questions.slice(0, 1) : [];
  const id = ((request[0] ?? 0) << 8) | (request[1] ?? 0);
  return encodeMessage({ id, response: true, opcode: 0, rcode: responseCode.serverFailure, questions, answers: [] });
}
