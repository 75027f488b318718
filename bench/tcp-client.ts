// Runs in a pod's network namespace: connects, sends a byte, reads a byte, resets, and again, several at a time.
// usage: tcp-client.ts TARGET FIRST-PORT PORTS MILLISECONDS
// On standard output, at the end: how many connections were completed.
import { connect } from "node:net";

const [target = "", firstPort = "0", ports = "1", milliseconds = "1000"] = process.argv.slice(2);
const atOnce = 8;
const until = performance.now() + Number(milliseconds);
let started = 0;
let completed = 0;

const one = (): Promise<void> =>
  new Promise((resolve) => {
    const socket = connect({ host: target, port: Number(firstPort) + (started++ % Number(ports)) });
    socket.setTimeout(1_000, () => socket.destroy());
    socket.on("error", () => {});
    socket.on("connect", () => void socket.write("?"));
    socket.on("data", () => {
      completed++;
      // Without a wait for late packets, which would use up the source ports.
      socket.resetAndDestroy();
    });
    socket.on("close", () => resolve());
  });

const loop = async (): Promise<void> => {
  while (performance.now() < until) await one();
};
await Promise.all(Array.from({ length: atOnce }, loop));
process.stdout.write(`${completed}\n`);
