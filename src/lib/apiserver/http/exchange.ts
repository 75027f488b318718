import type { IncomingMessage, ServerResponse } from "node:http";
import { statusErrorOf } from "../errors.ts";
import type { UserInfo } from "../user.ts";
import type { Target } from "./target.ts";

/** One request that was authenticated, and the way to answer it. */
export interface Exchange<Kind extends Target = Target> {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly target: Kind;
  readonly user: UserInfo;
  /** Aborted when the client is gone or the server stops. */
  readonly signal: AbortSignal;
  /** Texts for `Warning:` headers of the answer. */
  readonly warnings: string[];
}

/** Answers with a JSON text. */
export function answerJson(exchange: Pick<Exchange, "response" | "warnings">, code: number, text: string): void {
  answerText(exchange, code, text, "application/json");
}

export function answerText(
  { response, warnings }: Pick<Exchange, "response" | "warnings">,
  code: number,
  text: string,
  type: string,
): void {
  if (response.headersSent || response.destroyed) return;
  const body = Buffer.from(text, "utf8");
  for (const warning of warnings) response.appendHeader("Warning", `299 - ${quoted(warning)}`);
  response.writeHead(code, { "Content-Type": type, "Content-Length": body.length, "Cache-Control": "no-cache, private" });
  response.end(body);
}

/** Answers with the Status of whatever was thrown. */
export function answerError(exchange: Pick<Exchange, "request" | "response" | "warnings">, error: unknown): void {
  const { status, httpStatus, details } = statusErrorOf(error);
  const { request, response } = exchange;
  if (response.headersSent || response.destroyed) return;
  if (details.retryAfterSeconds !== undefined) response.setHeader("Retry-After", details.retryAfterSeconds);
  // an unread rest of the body would be taken for the next request
  if (!request.complete) response.setHeader("Connection", "close");
  answerJson(exchange, httpStatus, `${JSON.stringify(status)}\n`);
}

/** A quoted-string of RFC 9110 in ASCII. */
export const quoted = (text: string): string =>
  `"${text
    .replace(/[^\x20-\x7e]/g, "?")
    .replace(/["\\]/g, "\\$&")
    .slice(0, 2_000)}"`;
