import { badRequest } from "../errors.ts";

/** Whom a proxy path means. */
export interface ProxyTarget {
  readonly scheme: "http" | "https";
  readonly name: string;
  /** A number or a name; "" where the request leaves it open. */
  readonly port: string;
}

/** Reads `NAME`, `NAME:PORT` or `SCHEME:NAME:PORT`. Throws BadRequest. */
export function parseProxyTarget(text: string): ProxyTarget {
  const parts = text.split(":");
  const [first = "", second = "", third = ""] = parts;
  if (parts.length === 1) return { scheme: "http", name: first, port: "" };
  if (parts.length === 2) return { scheme: "http", name: first, port: second };
  if (parts.length === 3 && (first === "" || first === "http" || first === "https"))
    return { scheme: first === "https" ? "https" : "http", name: second, port: third };
  throw badRequest(`invalid proxy target ${JSON.stringify(text)}: expected NAME, NAME:PORT or SCHEME:NAME:PORT`);
}
