import { connect, createServer } from "node:net";

/** The lab's one way in from outside its namespaces: a port on the host's loopback. */
export interface HostDoor {
  readonly port: number;
  close(): void;
}

/** Most connections at once; kubectl and a test suite need dozens. */
const maxConnections = 1024;

/** Passes the bytes of each connection on to the API server's Unix socket, which sockets in other network namespaces can reach. TLS ends there. */
export function openHostDoor({ socket, port = 0 }: { readonly socket: string; readonly port?: number }): Promise<HostDoor> {
  const server = createServer({ noDelay: true, allowHalfOpen: true }, (outside) => {
    const inside = connect({ path: socket, allowHalfOpen: true });
    const end = (): void => {
      outside.destroy();
      inside.destroy();
    };
    outside.on("error", end);
    inside.on("error", end);
    outside.on("close", end);
    inside.on("close", end);
    outside.pipe(inside);
    inside.pipe(outside);
  });
  server.maxConnections = maxConnections;
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, "127.0.0.1", () => {
      const address = server.address();
      if (typeof address !== "object" || address === null) return reject(new TypeError("a TCP server has a port"));
      resolve({ port: address.port, close: () => server.close() });
    });
  });
}
