// Runs in a pod's network namespace: sends datagrams of one connection at a steady rate until standard input ends, then prints how many.
// usage: steady-sender.ts TARGET PORT PACKETS-PER-SECOND
import { createSocket } from "node:dgram";

const [target = "", port = "0", rate = "1000"] = process.argv.slice(2);
const interval = 1_000 / Number(rate);
/** Packets that may leave at once after the machine gave no time: more would test socket buffers, not the switch. */
const burst = Math.max(8, Math.ceil(Number(rate) / 500));
const socket = createSocket("udp4");
socket.on("error", () => {});
const payload = Buffer.alloc(64);
let sent = 0;
let ended = false;

const tick = (): void => {
  if (ended) return;
  const now = performance.now();
  due = Math.max(due, now - burst * interval);
  for (; due <= now; due += interval) {
    socket.send(payload);
    sent++;
  }
  setTimeout(tick, 1);
};
let due = 0;
socket.connect(Number(port), target, (error?: Error) => {
  if (error !== undefined && error !== null) throw error;
  due = performance.now();
  tick();
});
process.stdin
  .on("end", () => {
    ended = true;
    // Behind the sends: they leave in order.
    socket.send(payload, () => {
      process.stdout.write(String(sent + 1));
      process.exit(0);
    });
  })
  .resume();
