import type { IncomingMessage } from "node:http";
import { connect } from "node:net";
import type { Duplex } from "node:stream";
import { RequestRefused } from "./errors.ts";

/** Sends the request on to `url` and then every byte both ways, so that what the two ends speak (SPDY, WebSocket) is theirs alone. */
export function passThrough(request: IncomingMessage, client: { readonly socket: Duplex; readonly head: Buffer }, url: URL): Promise<void> {
  return new Promise((resolve, reject) => {
    const runtime = connect({ host: url.hostname.replace(/^\[|\]$/g, ""), port: Number(url.port), noDelay: true });
    runtime.once("error", (error) => {
      reject(new RequestRefused(502, `the container runtime's streaming server at ${url.host} does not answer: ${error.message}`));
    });
    runtime.once("connect", () => {
      runtime.removeAllListeners("error");
      runtime.on("error", () => client.socket.destroy());
      client.socket.on("error", () => runtime.destroy());
      client.socket.on("close", () => runtime.destroy());
      runtime.on("close", () => client.socket.destroy());
      runtime.write(requestHead(request, url));
      if (client.head.length > 0) runtime.write(client.head);
      runtime.pipe(client.socket);
      client.socket.pipe(runtime);
      resolve();
    });
  });
}

function requestHead(request: IncomingMessage, url: URL): string {
  const lines: string[] = [];
  for (let index = 0; index + 1 < request.rawHeaders.length; index += 2) {
    const name = request.rawHeaders[index] ?? "";
    lines.push(`${name}: ${name.toLowerCase() === "host" ? url.host : request.rawHeaders[index + 1]}`);
  }
  return `${request.method} ${url.pathname}${url.search} HTTP/1.1\r\n${lines.join("\r\n")}\r\n\r\n`;
}
