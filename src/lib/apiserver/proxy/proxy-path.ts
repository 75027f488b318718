import type { IncomingMessage } from "node:http";
import type { ConnectionOptions } from "../subresource.ts";

/** What follows `proxy` in the path, and the query, as they were asked for: what is encoded there, and a slash at its end, are the other server's to read. */
export function proxiedPath({ url = "" }: IncomingMessage): string {
  const [path = "", query] = url.split("?", 2);
  // /api/v1/namespaces/NAMESPACE/KIND/NAME/proxy/… or, without a namespace, /api/v1/KIND/NAME/proxy/…
  const rest = /^\/+api\/+[^/]+\/+(?:namespaces\/+[^/]+\/+)?[^/]+\/+[^/]+\/+proxy(\/.*)?$/.exec(path)?.[1] ?? "/";
  return query === undefined ? rest : `${rest}?${query}`;
}

/** A webhook sees the path, without what it begins with, and cannot change it. */
export const proxyOptions: ConnectionOptions = { of: ({ rest }) => (rest === "" ? {} : { path: rest }) };
