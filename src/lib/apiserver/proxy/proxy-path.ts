import type { IncomingMessage } from "node:http";
import type { ConnectionOptions } from "../subresource.ts";

/** What follows `proxy` in the path, and the query, as they were asked for: what is encoded there, and a slash at its end, are the other server's to read. */
export function proxiedPath({ url = "" }: IncomingMessage): string {
  const [path = "", query] = url.split("?", 2);
  const rest = restOf(path) ?? "/";
  return query === undefined ? rest : `${rest}?${query}`;
}

/** /api/v1/namespaces/NAMESPACE/KIND/NAME/proxy/… or, without a namespace, /api/v1/KIND/NAME/proxy/… */
const restOf = (path: string): string | undefined =>
  /^\/+api\/+[^/]+\/+(?:namespaces\/+[^/]+\/+)?[^/]+\/+[^/]+\/+proxy(\/.*)?$/.exec(path)?.[1];

/** A webhook sees what follows in the path, decoded, and cannot change it. */
export const proxyOptions: ConnectionOptions = {
  of(_request, path) {
    const rest = restOf(path);
    return rest === undefined ? {} : { path: decodeURIComponent(rest) };
  },
};
