import { createServer as createHttpServer, type IncomingMessage, type ServerResponse } from "node:http";
import { createServer as createHttpsServer } from "node:https";
import type { Duplex } from "node:stream";
import type { TLSSocket } from "node:tls";
import { type Authenticator, bearerToken } from "#lib/apiserver/auth/authenticator.ts";
import type { Authorizer } from "#lib/apiserver/auth/authorizer.ts";
import { StatusError } from "#lib/apiserver/errors.ts";
import type { CriClient } from "#lib/cri/index.ts";
import { errorMessage } from "#lib/runtime/errors.ts";
import type { Runtime } from "#lib/runtime/runtime.ts";
import type { KubeletConfig } from "./config.ts";
import { RequestRefused } from "./errors.ts";
import { serveLogs } from "./log-request.ts";
import type { KubeletMetrics } from "./metrics.ts";
import type { KubeletPod } from "./pod.ts";
import { parsePath, streamingUrl } from "./streaming.ts";
import { passThrough } from "./pass-through.ts";
import { createTlsFiles } from "./tls-files.ts";

/** Common names of the client certificates that may ask: the API server's, under the name that every installer gives it. */
const clients = ["kube-apiserver-kubelet-client"];

export interface ServerOptions {
  readonly runtime: Runtime;
  readonly config: KubeletConfig;
  readonly cri: CriClient;
  readonly pods: () => readonly KubeletPod[];
  readonly metrics: KubeletMetrics;
  /** Who may read metrics, asked of the cluster. */
  readonly access: { readonly authenticator: Authenticator; readonly authorizer: Authorizer };
  readonly signal: AbortSignal;
}

/** The kubelet's own API: logs, exec, attach, port-forward, pods, metrics, healthz. Paths are the stock kubelet's. */
export async function startServer(options: ServerOptions): Promise<{ close(): Promise<void> }> {
  const { config, runtime } = options;
  const files = createTlsFiles(config);
  // without a certificate a client gets a 401 in HTTP rather than a broken handshake
  const server = createHttpsServer({ ...(await files.read()), requestCert: true, rejectUnauthorized: false });
  files.follow(options, (context) => server.setSecureContext(context));
  server.on("request", (request: IncomingMessage, response: ServerResponse) => void answer(options, request, response));
  server.on("upgrade", (request: IncomingMessage, socket: Duplex, head: Buffer) => void upgrade(options, request, socket, head));
  const health = createHttpServer((request, response) => {
    const known = request.url === "/healthz";
    response.writeHead(known ? 200 : 404).end(known ? "ok" : "not found\n");
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(config.port, resolve);
  });
  if (config.healthzPort !== 0)
    await new Promise<void>((resolve, reject) => {
      health.once("error", reject);
      health.listen(config.healthzPort, "127.0.0.1", resolve);
    });
  for (const listening of [server, health])
    listening.on("error", (error) => runtime.logger.warn("the kubelet's server failed", { error: error.message }));
  return {
    close: async () => {
      for (const listening of [server, health]) {
        listening.close();
        listening.closeAllConnections();
      }
    },
  };
}

/** Whoever may read metrics of nodes, by a bearer token, as the cluster says. Everything else is the API server's alone. */
async function authorizeReader({ config, access }: ServerOptions, request: IncomingMessage): Promise<void> {
  if (bearerToken(request) === undefined) return authorize(request);
  const user = await access.authenticator.authenticate(request);
  if (user === undefined) throw new RequestRefused(401, "Unauthorized");
  const resource = { group: "", version: "v1", resource: "nodes", subresource: "metrics", namespace: "", name: config.nodeName };
  const { allowed } = await access.authorizer.authorize({ user, verb: "get", resource });
  if (!allowed)
    throw new RequestRefused(
      403,
      `Forbidden (user=${user.username}, verb=get, resource=nodes, subresource=metrics): may not read nodes/metrics`,
    );
}

/** Throws {@link RequestRefused} unless the API server asks. */
function authorize(request: IncomingMessage): void {
  const socket = request.socket as TLSSocket;
  if (!socket.authorized) throw new RequestRefused(401, "Unauthorized: a client certificate of the cluster's authority is needed");
  const name = socket.getPeerCertificate().subject?.CN;
  if (typeof name !== "string" || !clients.includes(name))
    throw new RequestRefused(403, `Forbidden: ${JSON.stringify(name)} may not use the kubelet; ${clients.join(", ")} may`);
}

async function answer(options: ServerOptions, request: IncomingMessage, response: ServerResponse): Promise<void> {
  try {
    const url = new URL(request.url ?? "/", "https://kubelet");
    const [, verb] = url.pathname.split("/");
    if (verb === "metrics") await authorizeReader(options, request);
    else authorize(request);
    switch (verb) {
      case "healthz":
        response.end("ok");
        return;
      case "pods":
        response.setHeader("content-type", "application/json");
        response.end(JSON.stringify({ kind: "PodList", apiVersion: "v1", metadata: {}, items: options.pods() }));
        return;
      case "containerLogs":
        await serveLogs(options, url, response);
        return;
      case "exec":
      case "attach":
      case "portForward":
        throw new RequestRefused(400, `you must specify the upgrade: ${verb} needs an upgraded connection (SPDY/3.1 or WebSocket)`);
      case "metrics":
        await serveMetrics(options, url, response);
        return;
      case "stats":
      case "run":
      case "checkpoint":
        throw new RequestRefused(501, `/${verb} is not there yet in the lab's kubelet`);
      default:
        throw new RequestRefused(404, `${url.pathname}: not found`);
    }
  } catch (error) {
    const status = error instanceof RequestRefused || error instanceof StatusError ? error.httpStatus : 500;
    if (response.headersSent) response.destroy();
    else response.writeHead(status, { "content-type": "text/plain" }).end(`${errorMessage(error)}\n`);
  }
}

async function serveMetrics({ metrics }: ServerOptions, url: URL, response: ServerResponse): Promise<void> {
  const texts: Readonly<Record<string, () => Promise<string>>> = { "/metrics": metrics.kubelet, "/metrics/resource": metrics.resources };
  const text = Object.hasOwn(texts, url.pathname) ? texts[url.pathname] : undefined;
  if (text === undefined)
    throw new RequestRefused(501, `${url.pathname} is not there in the lab's kubelet: ${Object.keys(texts).join(", ")} are`);
  response.setHeader("content-type", metrics.contentType);
  response.end(await text());
}

async function upgrade(options: ServerOptions, request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
  socket.on("error", () => socket.destroy());
  try {
    authorize(request);
    const url = new URL(request.url ?? "/", "https://kubelet");
    await passThrough(request, { socket, head }, await streamingUrl(options, parsePath(url.pathname), url.searchParams));
  } catch (error) {
    const status = error instanceof RequestRefused ? error.httpStatus : 500;
    const text = `${errorMessage(error)}\n`;
    const headers = `content-type: text/plain\r\ncontent-length: ${Buffer.byteLength(text)}\r\nconnection: close`;
    socket.end(`HTTP/1.1 ${status} ${status === 500 ? "Internal Server Error" : "Refused"}\r\n${headers}\r\n\r\n${text}`);
  }
}
