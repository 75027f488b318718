import type { IncomingMessage, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import { type ProtobufCodec, protobufMediaType } from "#lib/kube/protobuf/index.ts";
import type { Pace } from "#lib/runtime/parts.ts";
import { statusErrorOf } from "../errors.ts";
import type { UserInfo } from "../user.ts";
import { prefersProtobuf } from "./negotiation.ts";
import type { Target } from "./target.ts";

/** One request that was authenticated, and the way to answer it. */
export interface Exchange<Kind extends Target = Target> {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly target: Kind;
  readonly user: UserInfo;
  /** Aborted when the client is gone or the server stops. */
  readonly signal: AbortSignal;
  /** The kinds that can be read and answered as protobuf. */
  readonly protobuf: ProtobufCodec;
  /** How the work on this request goes on. */
  readonly pace: Pace;
  /** Texts for `Warning:` headers of the answer. */
  readonly warnings: string[];
}

/** Whether nobody hears an answer any more. A response of HTTP/2 does not tell, its stream does. */
export function isGone(answer: ServerResponse | Duplex): boolean {
  return answer.destroyed || ("stream" in answer && (answer.stream as Partial<Duplex> | undefined)?.destroyed === true);
}

/** Answers with a JSON text. */
export function answerJson(exchange: Pick<Exchange, "response" | "warnings">, code: number, text: string): void {
  answerText(exchange, code, text, "application/json");
}

/** Answers with one object of any kind: as protobuf where the client wants that and the kind's messages are known, else as JSON. */
export function answerObject(
  exchange: Pick<Exchange, "request" | "response" | "warnings" | "protobuf">,
  code: number,
  object: object,
): void {
  const { apiVersion, kind } = object as { readonly apiVersion?: unknown; readonly kind?: unknown };
  const { protobuf, request } = exchange;
  const known = typeof apiVersion === "string" && typeof kind === "string" ? { apiVersion, kind } : undefined;
  if (known !== undefined && protobuf.knows(known) && prefersProtobuf(request.headers.accept))
    answerText(exchange, code, protobuf.encode(known, object), protobufMediaType);
  else answerJson(exchange, code, JSON.stringify(object));
}

/** Answers with a text, or with bytes, of a media type. */
export function answerText(
  { response, warnings }: Pick<Exchange, "response" | "warnings">,
  code: number,
  content: string | Uint8Array,
  type: string,
): void {
  if (response.headersSent || response.destroyed) return;
  const body = typeof content === "string" ? Buffer.from(content, "utf8") : content;
  for (const warning of warningHeaders(warnings)) response.appendHeader("Warning", warning);
  response.writeHead(code, { "Content-Type": type, "Content-Length": body.length, "Cache-Control": "no-cache, private" });
  response.end(body);
}

/** Answers with the Status of whatever was thrown. */
export function answerError(exchange: Pick<Exchange, "request" | "response" | "warnings">, error: unknown): void {
  const { status, httpStatus, details } = statusErrorOf(error);
  const { request, response } = exchange;
  if (response.headersSent || response.destroyed) return;
  if (details.retryAfterSeconds !== undefined) response.setHeader("Retry-After", details.retryAfterSeconds);
  if (!request.complete) leaveUnread(request, response);
  answerJson(exchange, httpStatus, `${JSON.stringify(status)}\n`);
}

/** An unread rest of the body would be taken for the next request of the connection; with HTTP/2 it would hold the stream open. */
function leaveUnread(request: IncomingMessage, response: ServerResponse): void {
  if (request.httpVersionMajor < 2) response.setHeader("Connection", "close");
  // not a reset of the stream, which may overtake the answer; the listener bounds how long it may take
  else request.resume();
}

/** All `Warning:` headers of an answer, in characters: clients take 16 kB of headers, and proxies less. */
const warningsLength = 4_096;
/** Of one, when all of them are too long. */
const cutWarningLength = 256;

/** The values of `Warning:` headers. Where they are too long together, each is cut, and the last ones left out. */
export function warningHeaders(warnings: readonly string[]): readonly string[] {
  const whole = warnings.map((text) => `299 - ${quoted(text)}`);
  if (whole.join("").length <= warningsLength) return whole;
  const cut = warnings.map((text) => `299 - ${quoted(text.slice(0, cutWarningLength))}`);
  let length = 0;
  return cut.filter((text) => {
    length += text.length;
    return length <= warningsLength;
  });
}

/** A quoted-string of RFC 9110 in ASCII. */
export const quoted = (text: string): string =>
  `"${text
    .replace(/[^\x20-\x7e]/g, "?")
    .replace(/["\\]/g, "\\$&")
    .slice(0, 2_000)}"`;
