import { once } from "node:events";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { systemRuntime } from "#lib/runtime/runtime.ts";
import { createAuthority, issueCertificate } from "../certificates.ts";
import type { Json } from "./http.ts";

/** A webhook of a test, on a free port of the loopback address. */
export interface WebhookServer {
  url(path: string): string;
  /** As a `caBundle` holds it. */
  readonly caBundle: string;
  /** What was asked, in order. */
  readonly asked: readonly Asked[];
  close(): Promise<void>;
}

export interface Asked {
  readonly path: string;
  /** How long the server waits, as it says. */
  readonly timeout: string;
  readonly request: Json;
}

/** `answer` makes the `response` of a review, without its uid; undefined leaves the request unanswered. */
export async function startWebhookServer(answer: (asked: Asked) => object | undefined): Promise<WebhookServer> {
  const runtime = systemRuntime({ level: "error" });
  const authority = createAuthority(runtime, { commonName: "webhook-ca" });
  const { certificate, key } = issueCertificate(runtime, authority, { commonName: "webhook", hosts: ["127.0.0.1"], usages: ["server"] });
  const asked: Asked[] = [];
  const server = createServer({ cert: certificate, key }, (incoming, outgoing) => {
    let body = "";
    incoming.setEncoding("utf8");
    incoming.on("data", (chunk: string) => {
      body += chunk;
    });
    incoming.once("end", () => {
      const { kind, apiVersion, request } = JSON.parse(body) as { kind: string; apiVersion: string; request: Json };
      const { pathname: path, searchParams } = new URL(incoming.url ?? "/", "https://webhook");
      const question = { path, timeout: searchParams.get("timeout") ?? "", request };
      asked.push(question);
      const response = answer(question);
      if (response === undefined) return;
      outgoing.writeHead(200, { "content-type": "application/json" });
      outgoing.end(JSON.stringify({ kind, apiVersion, response: { uid: request.uid, ...response } }));
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return {
    url: (path) => `https://127.0.0.1:${port}${path}`,
    caBundle: Buffer.from(authority.certificate).toString("base64"),
    asked,
    async close() {
      server.close();
      server.closeAllConnections();
      await once(server, "close");
    },
  };
}
