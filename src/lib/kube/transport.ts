import { Agent as HttpAgent, type IncomingMessage, request as httpRequest } from "node:http";
import type { Readable } from "node:stream";
import { Agent as HttpsAgent, type AgentOptions, request as httpsRequest } from "node:https";
import { isIP } from "node:net";
import { checkServerIdentity } from "node:tls";
import { seconds } from "#lib/runtime/duration.ts";
import { KubeBadAnswer, KubeUnreachable } from "./errors.ts";
import type { ClientConfig } from "./kubeconfig.ts";

/** Largest answer read into memory: a list of 100 000 pods is about 300 MB of JSON; twice that is a server gone wrong. */
const maxAnswerBytes = 600 * 1024 * 1024;
/** Time to the first byte of an answer. The API server's own limit for ordinary requests is 60 s. */
const answerTimeout = seconds(60);

/** TCP asks a peer that is silent this long whether it is there; without an answer the connection is over 10 s later (libuv: ten probes, one a second). */
const keepAliveDelay = seconds(30);

export interface HttpRequest {
  readonly method: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly signal?: AbortSignal;
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
  const keep = { keepAlive: true, keepAliveMsecs: keepAliveDelay, noDelay: true, maxSockets: 64 };
  const agent = secure
    ? new HttpsAgent({
        ...keep,
        ...(config.ca === undefined ? {} : { ca: config.ca }),
        ...(config.certificate === undefined ? {} : { cert: config.certificate }),
        ...(config.key === undefined ? {} : { key: config.key }),
        ...(config.tlsServerName === undefined ? {} : expectName(config.tlsServerName)),
        rejectUnauthorized: config.insecureSkipTlsVerify !== true,
      })
    : new HttpAgent(keep);
  const send = secure ? httpsRequest : httpRequest;
  return {
    server: config.server,
    send: ({ method, path, headers = {}, body, signal }) =>
      new Promise((resolve, reject) => {
        const token = config.token?.();
        const request = send({
          agent,
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
    close: () => agent.destroy(),
  };
}

/** An address cannot be sent as a server name (RFC 6066 §3), but stands in certificates. */
function expectName(name: string): AgentOptions {
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
