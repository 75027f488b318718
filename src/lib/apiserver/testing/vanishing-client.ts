import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { setTimeout } from "node:timers/promises";
import { createSecureContext, connect } from "node:tls";
import { connect as connectHttp2 } from "node:http2";
import { silentLogger, systemRuntime, seconds } from "#lib/runtime/index.ts";
import { createAuthority, issueCertificate } from "../certificates.ts";
import { openListener } from "../http/listener.ts";
import { tlsLimits } from "../tls-limits.ts";

// In a network namespace of its own: a client that watches, by the version of HTTP that the first argument names, and is gone as a machine is whose power is cut: its
// last word never arrives. Prints `gone` when the server has noticed.

const [, , version] = process.argv;
execFileSync("ip", ["link", "set", "lo", "up"]);
const runtime = systemRuntime({ level: "error" });
const authority = createAuthority(runtime, { commonName: "cluster" });
const { certificate: cert, key } = issueCertificate(runtime, authority, { commonName: "api", hosts: ["127.0.0.1"], usages: ["server"] });
const gone = Promise.withResolvers<void>();
const listener = await openListener(
  { host: "127.0.0.1", port: 0 },
  {
    clock: runtime.clock,
    logger: silentLogger,
    context: () => ({ cert, key, ...tlsLimits({ minVersion: "", cipherSuites: "" }) }),
    askForCertificates: false,
    keepAliveAfter: seconds(1),
    answer(_request, response) {
      response.once("close", () => gone.resolve());
      response.writeHead(200).write("first");
    },
  },
);
const secureContext = createSecureContext({ ca: authority.certificate });
if (version === "2") {
  const session = connectHttp2(`https://127.0.0.1:${listener.port}`, { secureContext } as never);
  session.on("error", () => {});
  const stream = session.request({ ":path": "/watch" });
  stream.on("error", () => {});
  await once(stream, "data");
} else {
  const socket = connect({ host: "127.0.0.1", port: listener.port, secureContext });
  socket.on("error", () => {});
  socket.write("GET /watch HTTP/1.1\r\nhost: x\r\n\r\n");
  await once(socket, "data");
}
// What is not acknowledged is sent again, for a quarter of an hour, before TCP asks whether anybody is there.
while (isUnacknowledged()) await setTimeout(10);
execFileSync("ip", ["link", "set", "lo", "down"]);
await gone.promise;
process.stdout.write("gone\n");
process.exit();

/** Whether any socket of this namespace has sent what nobody has acknowledged: `tx_queue` of /proc/net/tcp. */
function isUnacknowledged(): boolean {
  const [, ...sockets] = readFileSync("/proc/self/net/tcp", "utf8").trim().split("\n");
  return sockets.some((socket) => Number.parseInt(socket.trim().split(/\s+/)[4]?.split(":")[0] ?? "", 16) > 0);
}
