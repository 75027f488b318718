import { readFileSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { hostname } from "node:os";
import { parseDuration } from "#lib/runtime/duration.ts";
import { dial } from "./dial.ts";
import { readFlags, UsageError } from "./flags.ts";
import { serveUdp } from "./udp-server.ts";

/** A request for more is a mistake. */
const maxTries = 1_000;

/** `netexec`: an HTTP server and a UDP server to test a network with. Runs until it is ended. */
export async function netexec(args: readonly string[], print: (line: string) => void): Promise<never> {
  const flags = readFlags(args, [
    ...["http-port", "udp-port", "sctp-port", "tls-cert-file", "tls-private-key-file"],
    ...["http-override", "delay-shutdown", "udp-listen-addresses", "sctp-listen-addresses"],
  ]);
  const httpPort = flags.number("http-port", 8_080);
  const udpPort = flags.number("udp-port", 8_081);
  if (flags.number("sctp-port", -1) >= 0) throw new UsageError("--sctp-port: SCTP is not there yet in this stand-in of the image");
  const override = flags.text("http-override", "");
  const certFile = flags.text("tls-cert-file", "");
  const state = { udpReady: udpPort < 0, ending: false };
  const server = certFile === "" ? createServer() : await createTlsServer(certFile, flags.text("tls-private-key-file", ""));
  server.on(
    "request",
    (request: IncomingMessage, response: ServerResponse) => void answer(request, response, { ...state, httpPort, override, print }),
  );
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(httpPort, "::", resolve);
  });
  print(`Started HTTP server on port ${portOf(server.address())}`);
  if (udpPort >= 0) {
    const udp = await serveUdp(udpPort);
    state.udpReady = true;
    print(`Started UDP server on port ${udp.address().port}`);
  }
  return new Promise(() => {
    process.once("SIGTERM", () => {
      state.ending = true;
      setTimeout(() => process.exit(0), flags.number("delay-shutdown", 0) * 1_000);
    });
  });
}

const portOf = (address: ReturnType<Server["address"]>): number => (typeof address === "object" ? (address?.port ?? 0) : 0);

/** TLS is loaded only for those who ask: it is 5 MB of a small server. */
async function createTlsServer(certFile: string, keyFile: string) {
  const https = await import("node:https");
  return https.createServer({ cert: readFileSync(certFile), key: readFileSync(keyFile) });
}

interface ServerState {
  readonly udpReady: boolean;
  /** Asked to end, and still there for those who do not know yet. */
  readonly ending: boolean;
  readonly httpPort: number;
  readonly override: string;
  readonly print: (line: string) => void;
}

async function answer(request: IncomingMessage, response: ServerResponse, state: ServerState): Promise<void> {
  request.resume();
  const url = parseUrl(state.override === "" ? (request.url ?? "/") : state.override);
  if (url === undefined) return end(response, 400, "the path is not a URL\n");
  const query = url.searchParams;
  const status = Number(query.get("code") ?? 200);
  switch (url.pathname) {
    case "/":
      return end(response, 200, `NOW: ${new Date().toISOString()}`);
    case "/hostname":
    case "/hostName":
      return end(response, 200, hostname());
    case "/clientip":
      return end(response, 200, clientOf(request));
    case "/serverport":
      return end(response, 200, String(state.httpPort));
    case "/echo":
      // Suites read in the log who has called.
      state.print(`${request.method} ${request.url}`);
      return end(response, isStatus(status) ? status : 400, query.get("msg") ?? "");
    case "/header":
      return end(response, 200, String(request.headers[(query.get("key") ?? "").toLowerCase()] ?? ""));
    case "/healthz":
      return end(response, state.udpReady ? 200 : 412, "");
    case "/readyz":
      return end(response, state.udpReady && !state.ending ? 200 : 503, "");
    case "/redirect": {
      const code = Number(query.get("code") ?? 302);
      return void response.writeHead(isStatus(code) ? code : 400, { location: query.get("location") ?? "/" }).end();
    }
    case "/dial":
      return answerDial(response, query);
    case "/shell":
      return answerShell(response, query.get("shellCommand") ?? query.get("cmd") ?? "");
    case "/exit":
    case "/shutdown":
      return exitSoon(response, query);
    case "/upload":
      return end(response, 501, JSON.stringify({ error: "/upload is not there yet in this stand-in of the image" }));
    default:
      return end(response, 404, `404 page not found\n`);
  }
}

const isStatus = (code: number): boolean => Number.isInteger(code) && code >= 200 && code <= 599;

function parseUrl(text: string): URL | undefined {
  return URL.canParse(text, "http://netexec") ? new URL(text, "http://netexec") : undefined;
}

function clientOf({ socket }: IncomingMessage): string {
  const host = (socket.remoteAddress ?? "").replace(/^::ffff:/, "");
  return host.includes(":") ? `[${host}]:${socket.remotePort}` : `${host}:${socket.remotePort}`;
}

function end(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, { "content-type": "text/plain; charset=utf-8", "content-length": Buffer.byteLength(text) }).end(text);
}

async function answerDial(response: ServerResponse, query: URLSearchParams): Promise<void> {
  const port = Number(query.get("port"));
  const tries = Number(query.get("tries") ?? 1);
  const protocol = query.get("protocol") ?? "http";
  const request = query.get("request") ?? "";
  const problem =
    query.get("host") === null
      ? "host: is missing"
      : !Number.isInteger(port) || port < 1 || port > 65_535
        ? "port: give a number from 1 to 65535"
        : request === ""
          ? "request: is missing"
          : !["http", "udp"].includes(protocol)
            ? `protocol: ${JSON.stringify(protocol)} is none of http, udp`
            : !Number.isInteger(tries) || tries < 1 || tries > maxTries
              ? `tries: give a number from 1 to ${maxTries}`
              : undefined;
  if (problem !== undefined) return end(response, 400, `${problem}\n`);
  const { succeeded, ...result } = await dial({ host: query.get("host") ?? "", port, protocol, request, tries });
  end(response, succeeded ? 200 : 417, JSON.stringify(result));
}

/** Runs a command in the pod's own shell; the pod's sandbox is the limit of what it may do, as in the image this stands in for. */
async function answerShell(response: ServerResponse, command: string): Promise<void> {
  if (command === "") {
    end(response, 400, "cmd: is missing\n");
    return;
  }
  const { execFile } = await import("node:child_process");
  execFile("/bin/sh", ["-c", command], (error, stdout, stderr) => {
    const result = { output: `${stdout}${stderr}`, ...(error === null ? {} : { error: error.message }) };
    end(response, error === null ? 200 : 417, JSON.stringify(result));
  });
}

function exitSoon(response: ServerResponse, query: URLSearchParams): void {
  const code = Number(query.get("code") ?? 0);
  const wait = parseDuration(query.get("wait") ?? "0");
  if (!Number.isInteger(code) || code < 0 || code > 127 || wait === undefined) {
    end(response, 400, "code: give a number from 0 to 127; wait: a duration\n");
    return;
  }
  response.once("finish", () => setTimeout(() => process.exit(code), wait));
  end(response, 200, "");
}
