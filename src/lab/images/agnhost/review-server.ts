import { readFileSync } from "node:fs";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer } from "node:https";
import { UsageError } from "./flags.ts";

/** An object as it came over the wire. */
export type Wire = Readonly<Record<string, unknown>>;

/** What is asked in a review, of whatever version: its `request`. */
export interface ReviewQuestion {
  readonly path: string;
  readonly request: Wire;
}

/** The `response` of a review, without its uid; undefined leaves the client waiting. */
export type ReviewAnswer = Wire | undefined;

/** Objects of three MiB, and what a review adds to them, twice as update has two. */
const maxBodyBytes = 8 * 1024 * 1024;

export interface ReviewServerOptions {
  readonly certFile: string;
  readonly keyFile: string;
  readonly port: number;
  /** The kind of review it answers. */
  readonly kind: "AdmissionReview" | "ConversionReview";
  /** Undefined for a path that it does not know. */
  readonly answer: (question: ReviewQuestion) => Promise<{ readonly response: ReviewAnswer } | undefined>;
}

/** Answers reviews over TLS, and `/readyz` to probes. Resolves with the port when it listens. */
export async function serveReviews({ certFile, keyFile, port, kind, answer }: ReviewServerOptions): Promise<number> {
  if (certFile === "" || keyFile === "") throw new UsageError("--tls-cert-file, --tls-private-key-file: both are needed");
  const server = createServer({ cert: readFileSync(certFile), key: readFileSync(keyFile) }, (request, response) => {
    void reply(request, response).catch((error: unknown) => {
      if (response.headersSent) response.destroy();
      else response.writeHead(400, { "content-type": "text/plain" }).end(`${error instanceof Error ? error.message : String(error)}\n`);
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, "::", resolve);
  });
  const address = server.address();
  return typeof address === "object" ? (address?.port ?? port) : port;

  async function reply(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname: path } = new URL(request.url ?? "/", "https://webhook");
    if (path === "/readyz") {
      request.resume();
      response.writeHead(200).end("ok");
      return;
    }
    const review = asWire(JSON.parse(await bodyOf(request)));
    if (review.kind !== kind) throw new UsageError(`kind: ${JSON.stringify(review.kind)} is not ${kind}`);
    const question = asWire(review.request);
    const answered = await answer({ path, request: question });
    if (answered === undefined) {
      response.writeHead(404).end("404 page not found\n");
      return;
    }
    if (answered.response === undefined) return;
    const { apiVersion } = review;
    response.writeHead(200, { "content-type": "application/json" });
    response.end(JSON.stringify({ kind, apiVersion, response: { uid: question.uid, ...answered.response } }));
  }
}

/** The object that it is, or an empty one. */
export function asWire(value: unknown): Wire {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Wire) : {};
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > maxBodyBytes) throw new UsageError("the body is too large");
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}
