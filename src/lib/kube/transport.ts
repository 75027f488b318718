import { Agent as HttpAgent, type IncomingMessage, request as httpRequest } from "node:http";
import type { Readable } from "node:stream";
import { Agent as HttpsAgent, type AgentOptions, request as httpsRequest } from "node:https";
import { isIP } from "node:net";
import { checkServerIdentity, createSecureContext } from "node:tls";
import { seconds } from "#lib/runtime/duration.ts";
import { KubeBadAnswer, KubeUnreachable } from "./errors.ts";
import type { ClientConfig, Identity } from "./kubeconfig.ts";

/** Largest answer read into memory: a list of 100 000 pods is about 300 MB of JSON; twice that is a server gone wrong. */
const maxAnswerBytes = 600 * 1024 * 1024;
/** Time to the first byte of an answer. The API server's own limit for ordinary requests is 60 s. */
export const answerTimeout = seconds(60);

/** TCP asks a peer that is silent this long whether it is there; without an answer the connection is over 10 s later (libuv: ten probes, one a second). */
export const keepAliveDelay = seconds(30);

/** Requests of a client that are under way at once over HTTP/1.1, each on a connection of its own; more wait for one of these. */
const mostRequests = 64;

export interface HttpRequest {
  readonly method: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly signal?: AbortSignal;
  /** Its answer goes on for as long as both sides like, as a watch's does. */
  readonly lasting?: boolean;
}

export interface HttpAnswer {
  readonly status: number;
  readonly headers: IncomingMessage["headers"];
  readonly body: Readable;
}

/** One server, one identity: keeps connections open and adds the credentials. */
export interface Transport {
  readonly server: string;
  /** Resolves at the head of the answer; the body is still to be read. Throws {@link KubeUnreachable}. */
  send(request: HttpRequest): Promise<HttpAnswer>;
  close(): void;
}

export function createTransport(config: ClientConfig): Transport {
  const url = new URL(config.server);
  const secure = url.protocol === "https:";
  const agentsOf = (bound: AgentOptions): Agents => {
    const keep = { keepAlive: true, keepAliveMsecs: keepAliveDelay, noDelay: true, ...bound };
    return secure
      ? agentOfTheMoment(config, ({ certificate, key }) => {
          return new HttpsAgent({
            ...keep,
            ...(config.ca === undefined ? {} : { ca: config.ca }),
            ...(certificate === undefined ? {} : { cert: certificate }),
            ...(key === undefined ? {} : { key }),
            ...(config.tlsServerName === undefined ? {} : expectName(config.tlsServerName)),
            rejectUnauthorized: config.insecureSkipTlsVerify !== true,
          });
        })
      : oneAgent(new HttpAgent(keep));
  };
  const passing = agentsOf({ maxSockets: mostRequests });
  // As many as there are kinds to follow: with a bound they would take every connection for ever, and nothing else would get through.
  const lasting = agentsOf({});
  const send = secure ? httpsRequest : httpRequest;
  return {
    server: config.server,
    send: ({ method, path, headers = {}, body, signal, lasting: isLasting = false }) =>
      new Promise((resolve, reject) => {
        const token = config.token?.();
        const request = send({
          agent: (isLasting ? lasting : passing).current(),
          method,
          ...(config.socketPath === undefined
            ? { hostname: url.hostname.replace(/^\[|\]$/g, ""), port: url.port || (secure ? 443 : 80) }
            : { socketPath: config.socketPath }),
          path: `${url.pathname.replace(/\/$/, "")}${path}`,
          headers: {
            accept: "application/json",
            ...(body === undefined ? {} : { "content-type": "application/json", "content-length": String(Buffer.byteLength(body)) }),
            ...(token ? { authorization: `Bearer ${token}` } : {}),
            ...headers,
          },
          ...(signal === undefined ? {} : { signal }),
        });
        request.setTimeout(answerTimeout, () => request.destroy(new Error(`no answer within ${answerTimeout / 1000} s`)));
        request.once("error", (error) => reject(signal?.aborted ? signal.reason : new KubeUnreachable(config.server, error)));
        request.once("response", (answer) => {
          request.setTimeout(0);
          resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body: answer });
        });
        request.end(body);
      }),
    close() {
      passing.close();
      lasting.close();
    },
  };
}

interface Agents {
  current(): HttpAgent;
  close(): void;
}

const oneAgent = (agent: HttpAgent): Agents => ({ current: () => agent, close: () => agent.destroy() });

/** Connections that show the certificate of the moment: with a new one new connections are made, and the others end when what runs on them has ended. */
function agentOfTheMoment(config: ClientConfig, open: (identity: Partial<Identity>) => HttpAgent): Agents {
  let shown: Partial<Identity> = config;
  let agent = open(shown);
  let former: HttpAgent[] = [];
  return {
    current() {
      const identity = config.identity === undefined ? undefined : readChanged(config.identity, shown);
      if (identity === undefined) return agent;
      former = [...former, agent].filter(retire);
      shown = identity;
      agent = open(identity);
      return agent;
    },
    close() {
      for (const each of [...former, agent]) each.destroy();
    },
  };
}

/** Undefined where nothing changed, and where the files are not there or don't belong together, as while they are replaced: the next request looks again. */
export function readChanged(identity: () => Identity, shown: Partial<Identity>): Identity | undefined {
  try {
    const pair = identity();
    if (pair.certificate === shown.certificate) return undefined;
    createSecureContext({ cert: pair.certificate, key: pair.key });
    return pair;
  } catch {
    return undefined;
  }
}

/** Ends what is at rest, and what comes to rest from now on. False when nothing was busy. */
function retire(agent: HttpAgent): boolean {
  agent.maxFreeSockets = 0;
  for (const socket of Object.values(agent.freeSockets).flatMap((sockets) => sockets ?? [])) socket.destroy();
  return Object.keys(agent.sockets).length > 0;
}

/** An address cannot be sent as a server name (RFC 6066 §3), but stands in certificates. */
export function expectName(name: string): AgentOptions {
  return isIP(name) === 0
    ? { servername: name }
    : { servername: "", checkServerIdentity: (_, certificate) => checkServerIdentity(name, certificate) };
}

/** The whole body as text. Throws {@link KubeBadAnswer} past the bound, {@link KubeUnreachable} when it breaks off. */
export async function readBody(server: string, answer: HttpAnswer): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  try {
    for await (const chunk of answer.body as AsyncIterable<Buffer>) {
      length += chunk.length;
      if (length > maxAnswerBytes) throw new KubeBadAnswer(server, `answer larger than ${maxAnswerBytes} bytes`);
      chunks.push(chunk);
    }
  } catch (error) {
    throw error instanceof KubeBadAnswer ? error : new KubeUnreachable(server, error);
  }
  return Buffer.concat(chunks).toString("utf8");
}
