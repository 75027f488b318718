import { createSocket } from "node:dgram";
import { deadline } from "#lib/runtime/deadline.ts";
import { seconds } from "#lib/runtime/duration.ts";

/** Asks other servers, as they are: the client reads what they say. */
export interface Forwarder {
  /** The answer's bytes; undefined when none came, or too many questions wait already. */
  ask(request: Uint8Array): Promise<Uint8Array | undefined>;
}

/** Per server. A client's own patience is 5 s (resolv.conf(5)). */
const patience = seconds(2);

/** Questions that wait at once: each has a socket, and so a port of its own that a stranger would have to guess. */
const waitingLimit = 256;

const dnsPort = 53;

export function createForwarder({ servers, port = dnsPort }: { readonly servers: readonly string[]; readonly port?: number }): Forwarder {
  let waiting = 0;
  return {
    async ask(request) {
      if (waiting >= waitingLimit) return undefined;
      waiting++;
      try {
        for (const server of servers) {
          const answer = await askOne(request, { server, port });
          if (answer !== undefined) return answer;
        }
        return undefined;
      } finally {
        waiting--;
      }
    },
  };
}

function askOne(
  request: Uint8Array,
  { server, port }: { readonly server: string; readonly port: number },
): Promise<Uint8Array | undefined> {
  return new Promise((resolve) => {
    const socket = createSocket(server.includes(":") ? "udp6" : "udp4");
    let over = false;
    const end = (answer?: Uint8Array): void => {
      if (over) return;
      over = true;
      waiting.cancel();
      socket.close();
      resolve(answer);
    };
    const waiting = deadline(patience, () => end());
    socket.on("error", () => end());
    // Connected: the system passes over what comes from anybody else.
    socket.on("message", (answer) => {
      if (answer[0] === request[0] && answer[1] === request[1]) end(answer);
    });
    socket.connect(port, server, () => socket.send(request));
  });
}
