import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer } from "node:https";
import { createAuthority, issueCertificate } from "#lib/apiserver/certificates.ts";
import type { TlsLimits } from "#lib/apiserver/tls-limits.ts";
import type { LoopbackToken } from "#lib/daemon/loopback-token.ts";
import { CodedError, errorCode, errorMessage, onAbort, type Runtime, seconds } from "#lib/runtime/index.ts";
import type { Judge } from "./cluster-judge.ts";

/** What a request is answered with: JSON, plain text, or bytes of some other form. */
export type Answer =
  | { readonly json: unknown }
  | { readonly text: string; readonly contentType?: string }
  | { readonly body: Buffer; readonly contentType: string };

/** A path of the API. Public ones answer without a token. */
export interface Route {
  readonly public?: true;
  /** `signal` aborts when nobody waits for the answer any more. */
  readonly answer: (query: URLSearchParams, signal: AbortSignal) => Answer | Promise<Answer>;
}

/** Thrown by a route: the status and the text to answer with. */
export class Refusal extends CodedError {
  readonly status: number;

  constructor(status: number, text: string) {
    super("API_REFUSAL", text);
    this.status = status;
  }
}

/** The agent's API cannot listen. */
export class ApiPortUnusable extends CodedError {
  constructor(port: number, cause: unknown) {
    const reason = errorCode(cause) === "EADDRINUSE" ? "another process listens on it; set apiPort" : errorMessage(cause);
    super("API_PORT", `API port ${port}: ${reason}`, { cause });
  }
}

const unauthorized = "Unauthorized: present the token of the file apiserver/loopback-client-token, or one of the cluster's";

/** Serves `routes` over TLS with a certificate made at start. Resolves with its PEM once listening; ends when `signal` aborts. */
export async function serveApi(options: {
  readonly runtime: Runtime;
  readonly port: number;
  /** What of TLS it takes. */
  readonly limits: TlsLimits;
  /** Names and addresses that the certificate is for, beside the loopback's. */
  readonly hosts: readonly string[];
  readonly token: LoopbackToken;
  /** Judges the tokens of others. */
  readonly judge: Judge;
  /** Asked for each request: a starting agent has few, a running one all. */
  readonly routes: () => Readonly<Record<string, Route>>;
  readonly signal: AbortSignal;
}): Promise<{ readonly certificate: string; readonly port: number }> {
  const { runtime, routes, token, judge, signal } = options;
  const authority = createAuthority(runtime, { commonName: "antrea-agent-ca" });
  const hosts = ["localhost", "127.0.0.1", "::1", ...options.hosts];
  const { certificate, key } = issueCertificate(runtime, authority, { commonName: "antrea-agent", hosts, usages: ["server"] });
  const server = createServer({ cert: certificate, key, ...options.limits, requestTimeout: seconds(30) }, (request, response) => {
    respond(request, response, { routes: routes(), token, judge }).catch((error: unknown) => {
      runtime.logger.error("API request failed", { path: request.url, error: errorMessage(error) });
      response.destroy();
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", (error) => reject(new ApiPortUnusable(options.port, error)));
    server.listen(options.port, resolve);
  });
  server.on("error", (error) => runtime.logger.error("API server", { error: error.message }));
  onAbort(signal, () => {
    server.close();
    server.closeAllConnections();
  });
  const address = server.address();
  return { certificate: authority.certificate, port: typeof address === "object" && address !== null ? address.port : options.port };
}

type Serving = { readonly routes: Readonly<Record<string, Route>> } & Pick<Parameters<typeof serveApi>[0], "token" | "judge">;

async function respond(request: IncomingMessage, response: ServerResponse, { routes, token, judge }: Serving): Promise<void> {
  request.resume();
  const [path = "/", query = ""] = (request.url ?? "/").split("?", 2);
  const route = Object.hasOwn(routes, path) ? routes[path] : undefined;
  const refuse = (status: number, text: string): void => write(response, status, { text: `${text}\n` });
  if (!route?.public) {
    const presented = /^Bearer (\S+)$/.exec(request.headers.authorization ?? "")?.[1];
    if (presented === undefined) return refuse(401, unauthorized);
    if (!token.matches(presented)) {
      const verdict = await judge({ token: presented, path }).catch(errorMessage);
      if (verdict === "unknown token") return refuse(401, unauthorized);
      if (verdict === "forbidden") return refuse(403, `Forbidden: a role must allow get on the nonResourceURL ${path}`);
      if (verdict !== "allowed") return refuse(503, `cannot ask the cluster about the token: ${verdict}`);
    }
  }
  if (route === undefined) return refuse(404, `${path} is not served by this agent`);
  if (request.method !== "GET") return refuse(405, `${path} answers GET only`);
  const gone = new AbortController();
  response.once("close", () => gone.abort());
  try {
    write(response, 200, await route.answer(new URLSearchParams(query), gone.signal));
  } catch (error) {
    if (gone.signal.aborted) return;
    if (error instanceof Refusal) return refuse(error.status, error.message);
    refuse(500, errorMessage(error));
  }
}

function write(response: ServerResponse, status: number, answer: Answer): void {
  const { body, contentType } = rendered(answer);
  response.writeHead(status, {
    "content-type": contentType,
    "content-length": Buffer.byteLength(body),
    "x-content-type-options": "nosniff",
  });
  response.end(body);
}

function rendered(answer: Answer): { readonly body: string | Buffer; readonly contentType: string } {
  if ("body" in answer) return answer;
  if ("text" in answer) return { body: answer.text, contentType: answer.contentType ?? "text/plain; charset=utf-8" };
  return { body: `${JSON.stringify(answer.json)}\n`, contentType: "application/json" };
}
