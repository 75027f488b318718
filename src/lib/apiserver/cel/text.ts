import type { Environment } from "@marcbachmann/cel-js";
import type { RE2JS } from "re2js";
import { regularExpression } from "../regular-expression.ts";

/** A value of the CEL type `kubernetes.URL`. */
class Url {
  readonly url: URL;
  constructor(url: URL) {
    this.url = url;
  }
}

/** Stands for `string.matches`, which the CEL library would run by backtracking. */
export const linearMatches = "matchesInLinearTime";

/** Regular expressions by RE2, the string functions that the CEL library lacks, and URLs. */
export function withText(environment: Environment): Environment {
  return environment
    .registerFunction(`string.${linearMatches}(string): bool`, (text: string, pattern: string) => expression(pattern).test(text))
    .registerFunction("string.find(string): string", (text: string, pattern: string) => found(text, pattern, 1)[0] ?? "")
    .registerFunction("string.findAll(string): list<string>", (text: string, pattern: string) => found(text, pattern, -1))
    .registerFunction("string.findAll(string, int): list<string>", (text: string, pattern: string, limit: bigint) =>
      found(text, pattern, Number(limit)),
    )
    .registerFunction("string.charAt(int): string", (text: string, index: bigint) => charAt(text, Number(index)))
    .registerFunction("string.replace(string, string): string", (text: string, old: string, next: string) =>
      text.replaceAll(old, () => next),
    )
    .registerFunction("string.replace(string, string, int): string", replaceSome)
    .registerFunction("string.reverse(): string", (text: string) => [...text].toReversed().join(""))
    .registerType("kubernetes.URL", { ctor: Url, fields: {} })
    .registerOperator("kubernetes.URL == kubernetes.URL", (left: Url, right: Url) => left.url.href === right.url.href)
    .registerFunction("isURL(string): bool", (text: string) => parseUrl(text) !== undefined)
    .registerFunction("url(string): kubernetes.URL", url)
    .registerFunction("kubernetes.URL.getScheme(): string", ({ url: { protocol } }: Url) => protocol.replace(/:$/, ""))
    .registerFunction("kubernetes.URL.getHost(): string", ({ url: { host } }: Url) => host)
    .registerFunction("kubernetes.URL.getHostname(): string", ({ url: { hostname } }: Url) => hostname.replace(/^\[|\]$/g, ""))
    .registerFunction("kubernetes.URL.getPort(): string", ({ url: { port } }: Url) => port)
    .registerFunction("kubernetes.URL.getEscapedPath(): string", ({ url: { pathname } }: Url) => pathname);
}

function expression(pattern: string): RE2JS {
  const compiled = regularExpression(pattern);
  if (typeof compiled === "string") throw new RangeError(`invalid pattern ${JSON.stringify(pattern)}: ${compiled}`);
  return compiled;
}

function found(text: string, pattern: string, limit: number): string[] {
  const matcher = expression(pattern).matcher(text);
  const matches: string[] = [];
  while ((limit < 0 || matches.length < limit) && matcher.find()) matches.push(matcher.group() ?? "");
  return matches;
}

function charAt(text: string, index: number): string {
  const characters = [...text];
  if (index < 0 || index > characters.length) throw new RangeError(`index out of range: ${index}`);
  return characters[index] ?? "";
}

function replaceSome(text: string, old: string, next: string, limit: bigint): string {
  if (limit < 0n) return text.replaceAll(old, () => next);
  const parts = text.split(old);
  const replaced = Math.min(Number(limit), parts.length - 1);
  return [parts.slice(0, replaced + 1).join(next), ...parts.slice(replaced + 1)].join(old);
}

/** Absolute, or a path from the root: what Kubernetes calls a URL. */
function parseUrl(text: string): Url | undefined {
  const parsed = URL.parse(text);
  return parsed === null ? undefined : new Url(parsed);
}

function url(text: string): Url {
  const parsed = parseUrl(text);
  if (parsed === undefined) throw new RangeError(`URL parse error during conversion from string: ${JSON.stringify(text)}`);
  return parsed;
}
