// Runs in a pod's network namespace: sends datagrams at a steady rate, each from a new socket, so that each is a new connection to the switch.
// usage: udp-sender.ts TARGET FIRST-PORT PORTS PACKETS-PER-SECOND
// On standard output, per datagram: its number and the monotonic clock in nanoseconds when it was sent.
import { createSocket } from "node:dgram";

const [target = "", firstPort = "0", ports = "1", rate = "2000"] = process.argv.slice(2);
const interval = 1_000 / Number(rate);
const family = target.includes(":") ? "udp6" : "udp4";
let number = 0;
let due = performance.now();
let lines: string[] = [];

const sendOne = (): void => {
  const current = number++;
  const socket = createSocket(family);
  socket.on("error", () => socket.close());
  const payload = Buffer.from(String(current));
  // the bind that send() makes lets the kernel choose a source port; the destination port turns, so that no pair returns within minutes
  socket.send(payload, Number(firstPort) + (current % Number(ports)), target, () => socket.close());
  lines.push(`${current} ${process.hrtime.bigint()}`);
};

const tick = (): void => {
  for (const now = performance.now(); due <= now; due += interval) sendOne();
  if (lines.length > 0) process.stdout.write(`${lines.join("\n")}\n`);
  lines = [];
  setTimeout(tick, 0);
};
tick();
process.stdin.on("end", () => process.exit(0)).resume();
