import { readFileSync } from "node:fs";
import { createServer as createHttpServer, type IncomingMessage, type ServerResponse } from "node:http";
import { createServer as createTcpServer } from "node:net";
import { hostname } from "node:os";
import { readFlags, UsageError } from "./flags.ts";
import { serveUdp } from "./udp-server.ts";

/** `serve-hostname [--http] [--tcp] [--udp] [--close] [--port=9376]`: says the pod's name to whoever asks. */
export async function serveHostname(args: readonly string[], print: (line: string) => void): Promise<never> {
  const flags = readFlags(args, ["port"], ["tcp", "udp", "http", "close"]);
  const port = flags.number("port", 9_376);
  const raw = flags.truth("tcp", false) || flags.truth("udp", false);
  if (raw && flags.truth("http", false)) throw new UsageError("--http cannot be given together with --tcp or --udp");
  const name = hostname();
  if (flags.truth("udp", false)) await serveUdp(port, () => name);
  if (flags.truth("tcp", false)) await listenTcp(port, name);
  if (!raw && flags.truth("http", true)) await listenHttp(port, name, flags.truth("close", false));
  print(`Serving on port ${port}`);
  return new Promise(() => {});
}

/**
 * `porter [--json-response]`: serves the value of each environment variable on the port in its name: `SERVE_PORT_<number>` over HTTP, `SERVE_TCP_PORT_<number>` to
 * whoever connects, `SERVE_UDP_PORT_<number>` to whoever asks, `SERVE_TLS_PORT_<number>` over HTTPS by the files of `CERT_FILE` and `KEY_FILE`. As JSON it also says by which method it was asked.
 */
export async function porter(args: readonly string[], environment: NodeJS.ProcessEnv, print: (line: string) => void): Promise<never> {
  const asJson = readFlags(args, [], ["json-response"]).truth("json-response", false);
  for (const [name, value = ""] of Object.entries(environment)) {
    const match = /^SERVE_(?:(TLS|SCTP|TCP|UDP)_)?PORT_(\d+)$/.exec(name);
    if (match === null) continue;
    const port = Number(match[2]);
    const answer = asJson ? (method: string) => JSON.stringify({ Method: method, Body: value }) : value;
    if (match[1] === undefined) await listenHttp(port, answer, false);
    else if (match[1] === "TCP") await listenTcp(port, value);
    else if (match[1] === "UDP") await serveUdp(port, () => value);
    else if (match[1] === "TLS") {
      const { CERT_FILE: certFile = "/localhost.crt", KEY_FILE: keyFile = "/localhost.key" } = environment;
      await listenHttp(port, answer, false, { cert: readFileSync(certFile), key: readFileSync(keyFile) });
    } else throw new UsageError(`${name}: SCTP ports are not there yet in this stand-in of the image`);
    print(`Serving ${match[1] ?? "HTTP"} on port ${port}`);
  }
  return new Promise(() => {
    // also without a port it stays: a timer keeps the process
    setInterval(() => {}, 2 ** 31 - 1);
  });
}

/** By TLS where `tls` says with which certificate; that is loaded only then, as 5 MB of a small server. */
async function listenHttp(
  port: number,
  text: string | ((method: string) => string),
  close: boolean,
  tls?: { readonly cert: Buffer; readonly key: Buffer },
): Promise<void> {
  const server = tls === undefined ? createHttpServer() : (await import("node:https")).createServer(tls);
  server.on("request", (request: IncomingMessage, response: ServerResponse) => {
    request.resume();
    const type = typeof text === "string" ? "text/plain; charset=utf-8" : "application/json";
    response.writeHead(200, { "content-type": type, ...(close ? { connection: "close" } : {}) });
    response.end(typeof text === "string" ? text : text(request.method ?? ""));
  });
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, "::", resolve);
  });
}

function listenTcp(port: number, text: string): Promise<void> {
  const server = createTcpServer((socket) => {
    socket.on("error", () => socket.destroy());
    socket.end(text);
  });
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, "::", resolve);
  });
}
