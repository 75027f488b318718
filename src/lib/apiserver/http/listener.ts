import { once } from "node:events";
import { type IncomingMessage, ServerResponse } from "node:http";
import { constants, createSecureServer, type Http2SecureServer, type Http2ServerRequest, type ServerHttp2Session } from "node:http2";
import type { AddressInfo, Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { Clock } from "#lib/runtime/clock.ts";
import { type Duration, minutes, seconds } from "#lib/runtime/duration.ts";
import type { Logger } from "#lib/runtime/logger.ts";
import type { TlsLimits } from "../tls-limits.ts";

/** Where to listen: a TCP address, or a Unix socket. Both speak TLS. */
export type ListenAddress = { readonly host: string; readonly port: number } | { readonly path: string };

export interface ListenerOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  /** What every listener of a server shows and asks for. */
  readonly context: () => TlsLimits & { readonly cert: string; readonly key: string; readonly ca?: string[] };
  readonly askForCertificates: boolean;
  /** Default: half a minute. */
  readonly keepAliveAfter?: Duration;
  answer(request: IncomingMessage, response: ServerResponse, upgraded?: { readonly socket: Duplex; readonly head: Buffer }): void;
}

/** One address that is listened on, for HTTP/2 and HTTP/1.1 as the client chooses. Upgrades are HTTP/1.1's. */
export interface Listener {
  /** 0 for a socket. */
  readonly port: number;
  renew(): void;
  /** Ends every connection. */
  close(): Promise<void>;
}

/** Without a request for this long, a connection is closed. */
const idleTimeout = minutes(2);
/**
 * When a client that has not been heard for this long is asked by the kernel whether it is there; ten questions later, a second apart, the connection ends. A watch of
 * somebody whose machine is gone would otherwise stand until it ends by time, after up to an hour.
 */
const defaultKeepAliveAfter = seconds(30);
/** In this time a request must be there as a whole, as with HTTP/1.1 in Node. */
const requestTimeout = minutes(5);
/** As the real server: a client's watches and requests on one connection. More wait with the client. */
const streamsPerConnection = 250;
/** Names, values and 32 bytes for each, as much as Node takes with HTTP/1.1: tokens are 2 kB, nothing else is long. */
const headerListBytes = 16 * 1024;
/** What may be queued on one connection, in MB: a lagging watcher of eight, and the first events of large kinds. New streams are refused above it. */
const connectionMemory = 64;

/** Resolves when it listens. Rejects with the system's error. */
export async function openListener(address: ListenAddress, options: ListenerOptions): Promise<Listener> {
  const { context, askForCertificates, logger, keepAliveAfter = defaultKeepAliveAfter } = options;
  const server = createSecureServer({
    ...context(),
    allowHTTP1: true,
    ...(askForCertificates ? { requestCert: true, rejectUnauthorized: false } : {}),
    settings: { maxConcurrentStreams: streamsPerConnection, maxHeaderListSize: headerListBytes },
    maxSessionMemory: connectionMemory,
  });
  const sockets = socketsOf(server, keepAliveAfter);
  // HTTP/1.1 alone knows these; the server takes them for its part of it
  Object.assign(server, { keepAliveTimeout: idleTimeout, requestTimeout });
  // node:http2 gives requests and responses of the same shape as node:http
  server.on("request", (request: unknown, response: unknown) => {
    if (isHttp2(request)) limitTime(request, options.clock);
    options.answer(request as IncomingMessage, response as ServerResponse);
  });
  server.on("upgrade", (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    socket.on("error", () => socket.destroy());
    const response = new ServerResponse(request);
    response.shouldKeepAlive = false;
    response.assignSocket(socket as never);
    response.once("finish", () => socket.end());
    options.answer(request, response, { socket, head });
  });
  server.on("session", closeWhenIdle);
  server.on("sessionError", (error: Error) => logger.debug("HTTP/2 connection failed", { error: error.message }));
  server.on("tlsClientError", (error: Error) => logger.debug("TLS handshake failed", { error: error.message }));
  server.listen({ ...address, backlog: 1_024 });
  await once(server, "listening");
  const bound = server.address() as AddressInfo | string;
  return {
    port: typeof bound === "string" ? 0 : bound.port,
    renew: () => server.setSecureContext(context()),
    async close() {
      const closed = new Promise((resolve) => server.close(resolve));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

function socketsOf(server: Http2SecureServer, keepAliveAfter: Duration): ReadonlySet<Duplex> {
  const sockets = new Set<Duplex>();
  server.on("secureConnection", (socket: Duplex & Partial<Pick<Socket, "setNoDelay" | "setKeepAlive">>) => {
    socket.setNoDelay?.(true);
    socket.setKeepAlive?.(true, keepAliveAfter);
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
  });
  return sockets;
}

const isHttp2 = (request: unknown): request is Http2ServerRequest => (request as IncomingMessage).httpVersionMajor === 2;

/** A client that sends its body byte by byte, or never, must not hold a stream for ever. */
function limitTime({ stream }: Http2ServerRequest, clock: Clock): void {
  // Without a body it is whole, though nobody reads its end: a watch is not to be closed for that.
  if (stream.endAfterHeaders) return;
  const timer = clock.after(requestTimeout, () => stream.close(constants.NGHTTP2_CANCEL), { background: true });
  stream.once("end", () => timer.cancel());
  stream.once("close", () => timer.cancel());
}

function closeWhenIdle(session: ServerHttp2Session): void {
  let streams = 0;
  session.on("stream", (stream) => {
    streams++;
    stream.on("close", () => streams--);
  });
  session.setTimeout(idleTimeout, () => {
    if (streams === 0) session.close();
  });
}
