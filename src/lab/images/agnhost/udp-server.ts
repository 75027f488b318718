import { createSocket, type Socket } from "node:dgram";
import { hostname } from "node:os";

/** Answers `hostname`, `echo TEXT` and `clientip` on both families, one datagram each. Resolves when it listens. */
export function serveUdp(port: number, answerTo: (text: string, client: string) => string | undefined = command): Promise<Socket> {
  return new Promise((resolve, reject) => {
    // one socket for both families: IPv4 clients appear as mapped addresses
    const socket = createSocket({ type: "udp6", ipv6Only: false });
    socket.once("error", reject);
    socket.on("message", (message, from) => {
      const host = from.address.replace(/^::ffff:/, "");
      const answer = answerTo(message.toString("utf8").trim(), host.includes(":") ? `[${host}]:${from.port}` : `${host}:${from.port}`);
      if (answer !== undefined) socket.send(answer, from.port, from.address);
    });
    socket.bind(port, "::", () => resolve(socket));
  });
}

function command(text: string, client: string): string | undefined {
  const [word = "", ...rest] = text.split(" ");
  switch (word.toLowerCase()) {
    case "hostname":
      return hostname();
    case "echo":
      return rest.join(" ");
    case "clientip":
      return client;
    default:
      // an unknown word is passed over; silence would look like a policy, so it is told
      return text === "" ? undefined : `unknown command: ${word}`;
  }
}
