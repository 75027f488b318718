import { rmSync } from "node:fs";
import { connect, createServer, type NetConnectOpts } from "node:net";
import { seconds } from "#lib/runtime/duration.ts";

/** One end of a door: a Unix socket, or host and port. */
export type Place = { readonly path: string } | { readonly host: string; readonly port: number };

/** A way between two network namespaces, or from the host's loopback into one. TLS, if any, passes through. */
export interface Door {
  /** The port it listens on; 0 for a Unix socket. */
  readonly port: number;
  close(): void;
}

/** Most connections at once; kubectl, nodes and a test suite need some hundred. */
const maxConnections = 1024;
/** Peers that are silent this long are asked whether they are there. */
const keepAlive = seconds(30);

/** Reads `/path` or `address:port`, IPv6 addresses in brackets. */
export function readPlace(text: string): Place {
  if (text.startsWith("/")) return { path: text };
  const colon = text.lastIndexOf(":");
  return { host: text.slice(0, colon).replace(/^\[|\]$/g, ""), port: Number(text.slice(colon + 1)) };
}

/** Passes the bytes of each connection to `listen` on to `to`. A Unix socket crosses network namespaces, which is what doors are made of. */
export function openDoor({ listen, to }: { readonly listen: Place; readonly to: Place }): Promise<Door> {
  const server = createServer({ noDelay: true, allowHalfOpen: true, keepAlive: true, keepAliveInitialDelay: keepAlive }, (outside) => {
    const inside = connect({
      ...to,
      allowHalfOpen: true,
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: keepAlive,
    } as NetConnectOpts);
    const end = (): void => {
      outside.destroy();
      inside.destroy();
    };
    for (const socket of [outside, inside]) {
      socket.on("error", end);
      socket.on("close", end);
    }
    outside.pipe(inside);
    inside.pipe(outside);
  });
  server.maxConnections = maxConnections;
  if ("path" in listen) rmSync(listen.path, { force: true });
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(listen, () => {
      const address = server.address();
      resolve({ port: typeof address === "object" && address !== null ? address.port : 0, close: () => server.close() });
    });
  });
}
