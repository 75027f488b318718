import { once } from "node:events";
import type { Writable } from "node:stream";
import { constants, createGzip } from "node:zlib";
import { type Exchange, warningHeaders } from "./exchange.ts";
import type { Piece } from "./rendering.ts";

/** Written at a time, so that a large answer is never in memory as a whole, and other requests get their turn in between. */
const chunkCharacters = 64 * 1024;
/** Answers from this length on are compressed for clients that can read it, as by the real server. */
const compressedFrom = 128 * 1024;

/** Answers 200 with what is made piece by piece, as fast as the client reads. Ends early when the client goes. */
export async function answerPieces(
  { request, response, warnings, signal }: Pick<Exchange, "request" | "response" | "warnings" | "signal">,
  pieces: Iterable<Piece>,
  type: string,
): Promise<void> {
  const chunks = chunksOf(pieces)[Symbol.iterator]();
  const first = chunks.next();
  const second = chunks.next();
  if (response.headersSent || response.destroyed) return;
  for (const warning of warningHeaders(warnings)) response.appendHeader("Warning", warning);
  response.setHeader("Content-Type", type);
  response.setHeader("Cache-Control", "no-cache, private");
  const start = first.done ? "" : first.value;
  if (second.done) {
    response.setHeader("Content-Length", typeof start === "string" ? Buffer.byteLength(start) : start.length);
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

async function writeAll(out: Writable, chunks: Iterable<Piece>, signal: AbortSignal): Promise<void> {
  for (const chunk of chunks) {
    signal.throwIfAborted();
    if (!out.write(chunk)) await once(out, "drain", { signal });
  }
}

function* chunksOf(pieces: Iterable<Piece>): Iterable<Piece> {
  let text = "";
  let parts: Uint8Array[] = [];
  let length = 0;
  const chunk = (): Piece => {
    const made = parts.length > 0 ? Buffer.concat(parts) : text;
    text = "";
    parts = [];
    length = 0;
    return made;
  };
  for (const piece of pieces) {
    if (typeof piece === "string") text += piece;
    else parts.push(piece);
    length += piece.length;
    if (length >= chunkCharacters) yield chunk();
  }
  if (length > 0) yield chunk();
}

const acceptsGzip = (header: string | string[] | undefined): boolean =>
  String(header ?? "")
    .split(",")
    .some((part) => /^\s*gzip\s*(;\s*q=(?!0(\.0*)?\s*$).*)?$/i.test(part));
