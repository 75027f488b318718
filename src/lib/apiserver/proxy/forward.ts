import { type IncomingMessage, type OutgoingHttpHeaders, request as httpRequest, type ServerResponse } from "node:http";
import { type Agent, type RequestOptions, request as httpsRequest } from "node:https";
import type { Duplex } from "node:stream";
import type { Clock } from "#lib/runtime/clock.ts";
import { seconds } from "#lib/runtime/duration.ts";
import { serviceUnavailable } from "../errors.ts";
import { type Endpoints, firstAnswer } from "./first-answer.ts";
import type { RawExchange } from "../subresource.ts";

/** Another server, and how to know it and be known to it. */
export interface Backend {
  readonly host: string;
  readonly port: number;
  /** Default: https. */
  readonly scheme?: "http" | "https";
  /** Authorities (PEM) for its certificate; absent: not verified. */
  readonly ca?: string;
  /** The name to expect in its certificate, when that is not `host`. */
  readonly serverName?: string;
  readonly certificate?: string;
  readonly key?: string;
  /** Keeps connections open between requests. */
  readonly agent?: Agent;
}

export interface ForwardOptions {
  /** Servers that answer the same; at least one. */
  readonly backends: readonly Backend[];
  /** How one of several is chosen. Absent: the first. */
  readonly choose?: { readonly clock: Clock; readonly endpoints: Endpoints };
  /** Path and query to ask the backend for. */
  readonly path: string;
  /** Headers instead of those of the client that have the same names. Others pass, except credentials and what concerns one connection. */
  readonly headers?: OutgoingHttpHeaders;
  /** Looks at an answer before any of it is passed on; may throw to answer instead. */
  readonly inspect?: (answer: IncomingMessage) => Promise<void>;
}

/** Time in which a backend must accept the connection. Answers may take as long as they like: watches and logs do. */
const connectTimeout = seconds(10);

/** Concern one connection (RFC 9110 §7.6.1), or are the client's secret. */
const notPassed = new Set([
  "authorization",
  "connection",
  "host",
  "keep-alive",
  "proxy-authorization",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);

/** Say who asks: only this server says that to backends. */
const identityHeader = /^(x-remote-|impersonate-)/;

/**
 * Sends a request to another server and its answer back, whole: bodies stream, and an upgraded connection is bytes in both directions. Resolves when
 * it is over. Throws ServiceUnavailable when the backend cannot be reached.
 */
export async function forward(exchange: RawExchange, options: ForwardOptions): Promise<void> {
  const { backends, choose, path, headers = {}, inspect } = options;
  const { request, answer } = exchange;
  const upgrade = answer.kind === "upgrade" ? { connection: "Upgrade", upgrade: request.headers.upgrade } : {};
  const passed = Object.entries(request.headers).filter(
    ([name]) => !notPassed.has(name) && !identityHeader.test(name) && !name.startsWith(":"),
  );
  const ask = (backend: Backend, signal?: AbortSignal): Promise<Reply> => {
    const outgoing = (backend.scheme === "http" ? httpRequest : httpsRequest)({
      ...connectionOptions(backend),
      method: request.method,
      path,
      headers: { ...Object.fromEntries(passed), ...upgrade, ...headers },
    });
    return replyOf(outgoing, { request, answer, backend, signal });
  };
  // Only what can be asked twice is asked of another, too, when one is slow.
  const isSafe = answer.kind === "response" && (request.method === "GET" || request.method === "HEAD");
  const [first] = choose?.endpoints.inOrder(backends) ?? backends;
  if (first === undefined) throw serviceUnavailable("there is no server behind this path");
  const reply = choose !== undefined && isSafe ? await firstAnswer({ ...choose, targets: backends, ask }) : await ask(first);
  if (answer.kind === "response") {
    await inspect?.(reply.answer);
    return sendBack(reply.answer, answer.response);
  }
  return reply.tunnel === undefined ? sendBackRaw(reply.answer, answer.socket) : join(reply.answer, reply.tunnel, answer);
}

export function connectionOptions({ host, port, ca, serverName, certificate, key, agent }: Backend): RequestOptions {
  return {
    host,
    port,
    ...(ca === undefined ? { rejectUnauthorized: false } : { ca }),
    ...(serverName === undefined ? {} : { servername: serverName }),
    ...(certificate === undefined ? {} : { cert: certificate }),
    ...(key === undefined ? {} : { key }),
    ...(agent === undefined ? { agent: false } : { agent }),
  };
}

interface Reply {
  readonly answer: IncomingMessage;
  /** Set when the backend switched protocols. */
  readonly tunnel?: { readonly socket: Duplex; readonly head: Buffer };
}

function replyOf(
  outgoing: ReturnType<typeof httpsRequest>,
  {
    request,
    answer,
    backend: { host, port },
    signal,
  }: {
    readonly request: IncomingMessage;
    readonly answer: RawExchange["answer"];
    readonly backend: Backend;
    /** Ends the attempt, not a reply that came. */
    readonly signal: AbortSignal | undefined;
  },
): Promise<Reply> {
  const client = answer.kind === "upgrade" ? answer.socket : answer.response;
  return new Promise((resolve, reject) => {
    const refuse = (why: string): void => reject(serviceUnavailable(`error trying to reach service at ${host}:${port}: ${why}`));
    const gone = (): void => void outgoing.destroy(new Error("the client is gone"));
    client.once("close", gone);
    const giveUp = (): void => void outgoing.destroy(new Error("another server answered"));
    signal?.addEventListener("abort", giveUp, { once: true });
    outgoing.setTimeout(connectTimeout, () => {
      if (outgoing.socket?.connecting !== false) outgoing.destroy(new Error(`no connection within ${connectTimeout / 1_000} s`));
    });
    outgoing.once("error", (error) => refuse(error.message));
    outgoing.once("response", (reply) => {
      outgoing.setTimeout(0);
      signal?.removeEventListener("abort", giveUp);
      resolve({ answer: reply });
    });
    outgoing.once("upgrade", (reply, socket, head) => {
      outgoing.setTimeout(0);
      client.removeListener("close", gone);
      resolve({ answer: reply, tunnel: { socket, head } });
    });
    if (answer.kind === "upgrade" || signal !== undefined) outgoing.end();
    else request.pipe(outgoing);
  });
}

function headersBack(answer: IncomingMessage): OutgoingHttpHeaders {
  return Object.fromEntries(Object.entries(answer.headersDistinct).filter(([name]) => name === "upgrade" || !notPassed.has(name)));
}

function sendBack(answer: IncomingMessage, response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    response.once("close", () => {
      answer.destroy();
      resolve();
    });
    answer.once("error", () => response.destroy());
    const { upgrade, ...headers } = headersBack(answer);
    response.writeHead(
      answer.statusCode ?? 502,
      response.req?.httpVersionMajor === 2 || upgrade === undefined ? headers : { ...headers, upgrade },
    );
    response.flushHeaders();
    answer.pipe(response);
  });
}

/** The refusal of an upgrade, as an ordinary answer on the bare socket. */
function sendBackRaw(answer: IncomingMessage, socket: Duplex): Promise<void> {
  return new Promise((resolve) => {
    socket.once("close", () => resolve());
    socket.write(headText(answer, { connection: "close" }));
    answer.pipe(socket);
  });
}

function join(
  answer: IncomingMessage,
  tunnel: { readonly socket: Duplex; readonly head: Buffer },
  client: { readonly socket: Duplex; readonly head: Buffer },
): Promise<void> {
  return new Promise((resolve) => {
    const far = tunnel.socket;
    const near = client.socket;
    let open = 2;
    const closed = (other: Duplex) => (): void => {
      other.destroy();
      if (--open === 0) resolve();
    };
    far.once("close", closed(near));
    near.once("close", closed(far));
    far.on("error", () => far.destroy());
    near.write(headText(answer, { connection: "Upgrade" }));
    if (tunnel.head.length > 0) near.write(tunnel.head);
    if (client.head.length > 0) far.write(client.head);
    far.pipe(near);
    near.pipe(far);
  });
}

function headText(answer: IncomingMessage, extra: Readonly<Record<string, string>>): string {
  const headers = Object.entries({ ...headersBack(answer), ...extra }).flatMap(([name, values]) =>
    [values].flat().map((value) => `${name}: ${value}`),
  );
  return `HTTP/1.1 ${answer.statusCode} ${answer.statusMessage}\r\n${headers.join("\r\n")}\r\n\r\n`;
}
