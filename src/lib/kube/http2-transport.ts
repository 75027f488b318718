import { type ClientHttp2Session, type ClientHttp2Stream, connect as connectHttp2, constants } from "node:http2";
import { once } from "node:events";
import { isIP } from "node:net";
import { Readable } from "node:stream";
import { connect as connectTls, type TLSSocket } from "node:tls";
import { orAborted } from "#lib/runtime/or-aborted.ts";
import { KubeUnreachable } from "./errors.ts";
import type { ClientConfig } from "./kubeconfig.ts";
import {
  answerTimeout,
  createTransport,
  expectName,
  type HttpAnswer,
  type HttpRequest,
  keepAliveDelay,
  readChanged,
  type Transport,
} from "./transport.ts";

/** What the server may send ahead of our reading it, on a stream and on the connection: HTTP/2's own 64 kB would make every first set of a large cluster slow. */
const windowBytes = 4 * 1024 * 1024;

/** A connection, and how many requests are on it. */
interface Connection {
  readonly session: ClientHttp2Session;
  streams: number;
  /** Takes no more requests, and ends with the last of those that it has. */
  retired: boolean;
}

/**
 * As {@link createTransport}, over TLS, with all requests side by side on one connection: several watches cost the server little more than one. A server that does not speak
 * HTTP/2 is spoken to as ever. After a request that somebody gave up the next one takes a new connection, as nobody can tell a slow answer from a way that is gone.
 */
export function createHttp2Transport(config: ClientConfig): Transport {
  const url = new URL(config.server);
  const host = url.hostname.replace(/^\[|\]$/g, "");
  const open = new Set<Connection>();
  let current: Promise<Connection | "none"> | undefined;
  let shown: Partial<Pick<ClientConfig, "certificate" | "key">> = config;
  let plain: Transport | undefined;
  let closed = false;

  const retire = (connection: Connection): void => {
    connection.retired = true;
    if (connection.streams === 0) connection.session.destroy();
  };
  const connect = async (): Promise<Connection | "none"> => {
    const { certificate, key } = shown;
    const socket: TLSSocket = connectTls({
      host,
      port: Number(url.port || 443),
      ...(config.tlsServerName === undefined ? { servername: isIP(host) === 0 ? host : "" } : expectName(config.tlsServerName)),
      ...(config.ca === undefined ? {} : { ca: config.ca }),
      ...(certificate === undefined ? {} : { cert: certificate }),
      ...(key === undefined ? {} : { key }),
      rejectUnauthorized: config.insecureSkipTlsVerify !== true,
      ALPNProtocols: ["h2", "http/1.1"],
    });
    socket.setNoDelay(true);
    socket.setKeepAlive(true, keepAliveDelay);
    socket.on("error", () => socket.destroy());
    try {
      await once(socket, "secureConnect", { signal: AbortSignal.timeout(answerTimeout) });
    } catch (error) {
      socket.destroy();
      throw error;
    }
    if (socket.alpnProtocol !== "h2") {
      socket.destroy();
      return "none";
    }
    const session = connectHttp2(config.server, {
      createConnection: () => socket,
      settings: { enablePush: false, initialWindowSize: windowBytes },
    });
    // Told of in a later turn: by then nobody may want it any more.
    session.once("connect", () => {
      if (!session.destroyed) session.setLocalWindowSize(windowBytes);
    });
    const connection: Connection = { session, streams: 0, retired: false };
    open.add(connection);
    const gone = (): void => {
      connection.retired = true;
      open.delete(connection);
    };
    session.on("error", gone);
    session.once("goaway", gone);
    session.once("close", gone);
    if (closed) session.destroy();
    return connection;
  };
  const obtain = async (): Promise<Connection | "none"> => {
    const identity = config.identity === undefined ? undefined : readChanged(config.identity, shown);
    if (identity !== undefined) {
      shown = identity;
      current = undefined;
      for (const connection of open) retire(connection);
    }
    const found = current ?? connect();
    current = found;
    const connection = await found.catch((error: unknown) => {
      if (current === found) current = undefined;
      throw error;
    });
    if (connection === "none") return connection;
    // Somebody gave up meanwhile.
    if (current !== found) retire(connection);
    if (!connection.retired) return connection;
    if (current === found) current = undefined;
    return obtain();
  };

  const exchange = (connection: Connection, request: HttpRequest): Promise<HttpAnswer> =>
    new Promise((resolve, reject) => {
      const { method, path, headers = {}, body, signal } = request;
      const token = config.token?.();
      const stream: ClientHttp2Stream = connection.session.request(
        {
          ":method": method,
          ":path": `${url.pathname.replace(/\/$/, "")}${path}`,
          accept: "application/json",
          ...(body === undefined ? {} : { "content-type": "application/json", "content-length": String(Buffer.byteLength(body)) }),
          ...(token ? { authorization: `Bearer ${token}` } : {}),
          ...headers,
        },
        { endStream: body === undefined },
      );
      connection.streams++;
      const giveUp = (reason: Error): void => {
        retire(connection);
        reject(signal?.aborted ? signal.reason : new KubeUnreachable(config.server, reason));
        stream.destroy(reason);
      };
      const aborted = (): void => giveUp(new Error("given up"));
      signal?.addEventListener("abort", aborted, { once: true });
      stream.setTimeout(answerTimeout, () => giveUp(new Error(`no answer within ${answerTimeout / 1000} s`)));
      stream.once("response", ({ [constants.HTTP2_HEADER_STATUS]: status, ...fields }) => {
        stream.setTimeout(0);
        resolve({ status: Number(status ?? 0), headers: fields as HttpAnswer["headers"], body: wholeBody(stream) });
      });
      stream.on("error", (error) => reject(signal?.aborted ? signal.reason : new KubeUnreachable(config.server, error)));
      stream.once("close", () => {
        signal?.removeEventListener("abort", aborted);
        reject(new KubeUnreachable(config.server, new Error("the connection ended")));
        connection.streams--;
        if (connection.retired && connection.streams === 0) connection.session.destroy();
      });
      if (body !== undefined) stream.end(body);
    });

  return {
    server: config.server,
    async send(request) {
      const { signal } = request;
      signal?.throwIfAborted();
      let connection: Connection | "none";
      try {
        connection = await (signal === undefined ? obtain() : orAborted(obtain(), signal));
      } catch (error) {
        if (signal?.aborted) current = undefined;
        throw signal?.aborted ? signal.reason : new KubeUnreachable(config.server, error);
      }
      if (connection !== "none") return exchange(connection, request);
      plain ??= createTransport(config);
      return plain.send(request);
    },
    close() {
      closed = true;
      for (const { session } of [...open]) session.destroy();
      plain?.close();
    },
  };
}

/** A stream whose connection went ends as one that is over: here that is a failure, as with HTTP/1.1. */
function wholeBody(stream: ClientHttp2Stream): Readable {
  const body = Readable.from(
    (async function* () {
      for await (const chunk of stream) yield chunk as Buffer;
      if (stream.rstCode !== constants.NGHTTP2_NO_ERROR) throw new Error("the connection ended");
    })(),
  );
  // Whoever reads hears of it; nobody else needs to.
  body.on("error", () => {});
  body.once("close", () => stream.destroy());
  return body;
}
