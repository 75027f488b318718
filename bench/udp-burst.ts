// Runs in a pod's network namespace: sends one datagram to each of many ports, so that the switch's flow cache knows few of them.
// usage: udp-burst.ts TARGET FIRST-PORT PORTS
import { createSocket } from "node:dgram";
import { setImmediate as turn } from "node:timers/promises";

const [target = "", firstPort = "0", ports = "1"] = process.argv.slice(2);
const socket = createSocket("udp4");
socket.on("error", () => {});
for (let offset = 0; offset < Number(ports); offset++) {
  await new Promise((sent) => socket.send("x", Number(firstPort) + offset, target, sent));
  if (offset % 16 === 0) await turn();
}
socket.close();
