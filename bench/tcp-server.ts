// Runs in a pod's network namespace: answers one byte on each connection.
// usage: tcp-server.ts FIRST-PORT PORTS
import { createServer } from "node:net";

const [firstPort = "0", ports = "1"] = process.argv.slice(2);
for (let offset = 0; offset < Number(ports); offset++) {
  createServer((socket) => {
    socket.on("error", () => {});
    socket.on("data", () => void socket.write("."));
  }).listen(Number(firstPort) + offset, "0.0.0.0");
}
process.stdin.on("end", () => process.exit(0)).resume();
