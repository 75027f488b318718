// Runs in a pod's network namespace: prints the number that each datagram carries.
// usage: udp-receiver.ts FAMILY FIRST-PORT PORTS
import { createSocket } from "node:dgram";

const [family = "4", firstPort = "0", ports = "1"] = process.argv.slice(2);
let lines: string[] = [];
for (let offset = 0; offset < Number(ports); offset++) {
  const socket = createSocket({ type: family === "6" ? "udp6" : "udp4", recvBufferSize: 1 << 18 });
  socket.on("message", (message) => {
    if (lines.length === 0) setImmediate(flush);
    lines.push(message.toString("ascii"));
  });
  socket.bind(Number(firstPort) + offset, family === "6" ? "::" : "0.0.0.0");
}

function flush(): void {
  process.stdout.write(`${lines.join("\n")}\n`);
  lines = [];
}
process.stdin.on("end", () => process.exit(0)).resume();
