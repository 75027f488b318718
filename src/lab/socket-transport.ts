import { request } from "node:https";
import { type ClientConfig, KubeUnreachable } from "#lib/kube/index.ts";
import type { Transport } from "#lib/kube/transport.ts";

/** Talks to an API server through its Unix socket, with the credentials of `config`. */
export function socketTransport({ config, socket }: { readonly config: ClientConfig; readonly socket: string }): Transport {
  return {
    server: config.server,
    send: ({ method, path, headers = {}, body, signal }) =>
      new Promise((resolve, reject) => {
        const outgoing = request({
          socketPath: socket,
          servername: "localhost",
          method,
          path,
          ...(config.ca === undefined ? {} : { ca: config.ca }),
          ...(config.certificate === undefined ? {} : { cert: config.certificate }),
          ...(config.key === undefined ? {} : { key: config.key }),
          headers: { accept: "application/json", ...(body === undefined ? {} : { "content-type": "application/json" }), ...headers },
          ...(signal === undefined ? {} : { signal }),
        });
        outgoing.once("error", (error) => reject(new KubeUnreachable(`${config.server} (${socket})`, error)));
        outgoing.once("response", (answer) => resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body: answer }));
        outgoing.end(body);
      }),
    close: () => {},
  };
}
