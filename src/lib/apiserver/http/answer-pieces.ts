import { once } from "node:events";
import type { Writable } from "node:stream";
import { constants, createGzip } from "node:zlib";
import { type Exchange, quoted } from "./exchange.ts";

/** Written at a time, so that a large answer is never in memory as a whole, and other requests get their turn in between. */
const chunkCharacters = 64 * 1024;
/** Answers from this length on are compressed for clients that can read it, as by the real server. */
const compressedFrom = 128 * 1024;

/** Answers 200 with a JSON text that is made piece by piece, as fast as the client reads. Ends early when the client goes. */
export async function answerPieces(
  { request, response, warnings, signal }: Pick<Exchange, "request" | "response" | "warnings" | "signal">,
  pieces: Iterable<string>,
): Promise<void> {
  const chunks = chunksOf(pieces)[Symbol.iterator]();
  const first = chunks.next();
  const second = chunks.next();
  if (response.headersSent || response.destroyed) return;
  for (const warning of warnings) response.appendHeader("Warning", `299 - ${quoted(warning)}`);
  response.setHeader("Content-Type", "application/json");
  response.setHeader("Cache-Control", "no-cache, private");
  const start = first.done ? "" : first.value;
  if (second.done) {
    response.setHeader("Content-Length", Buffer.byteLength(start));
    response.writeHead(200).end(start);
    return;
  }
  const large = start.length + second.value.length >= compressedFrom;
  const compressed = large && acceptsGzip(request.headers["accept-encoding"]);
  if (compressed) response.setHeader("Content-Encoding", "gzip");
  response.setHeader("Vary", "Accept-Encoding");
  response.writeHead(200);
  const gzip = compressed ? createGzip({ level: constants.Z_BEST_SPEED }) : undefined;
  gzip?.pipe(response);
  const out: Writable = gzip ?? response;
  try {
    await writeAll(out, [start, second.value], signal);
    await writeAll(out, { [Symbol.iterator]: () => chunks }, signal);
    out.end();
  } catch {
    // the client went away: nobody is left to be told
    gzip?.destroy();
    response.destroy();
  }
}

async function writeAll(out: Writable, chunks: Iterable<string>, signal: AbortSignal): Promise<void> {
  for (const chunk of chunks) {
    signal.throwIfAborted();
    if (!out.write(chunk)) await once(out, "drain", { signal });
  }
}

function* chunksOf(pieces: Iterable<string>): Iterable<string> {
  let chunk = "";
  for (const piece of pieces) {
    chunk += piece;
    if (chunk.length < chunkCharacters) continue;
    yield chunk;
    chunk = "";
  }
  if (chunk !== "") yield chunk;
}

const acceptsGzip = (header: string | string[] | undefined): boolean =>
  String(header ?? "")
    .split(",")
    .some((part) => /^\s*gzip\s*(;\s*q=(?!0(\.0*)?\s*$).*)?$/i.test(part));
