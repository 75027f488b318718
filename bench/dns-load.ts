// Runs in a pod's network namespace: asks a DNS server for names at a steady rate. usage: dns-load.ts SERVER NAMES
// A line `SECONDS PER-SECOND` on standard input is one run; the answer is a line of JSON: how many were sent and answered, and each answer's milliseconds.
import { createSocket } from "node:dgram";
import { createInterface } from "node:readline";
import { addressQuery, encodeMessage } from "../src/lib/dns/index.ts";

const [server = "", count = "1"] = process.argv.slice(2);
/** A query without an answer for this long is lost. */
const patienceMs = 3_000;
const queries = Array.from({ length: Number(count) }, (_, index) =>
  encodeMessage(addressQuery({ id: 0, name: `n${index}.shop.test`, family: 4, udpPayload: 1_232 })).slice(),
);
const socket = createSocket("udp4");
const sentAt = new Map<number, number>();
let times: number[] = [];
let id = 0;

socket.on("message", (bytes) => {
  const answered = ((bytes[0] ?? 0) << 8) | (bytes[1] ?? 0);
  const at = sentAt.get(answered);
  if (at === undefined) return;
  sentAt.delete(answered);
  times.push(performance.now() - at);
});

function sendOne(): void {
  id = (id + 1) & 0xffff;
  const query = queries[id % queries.length];
  if (query === undefined) return;
  const bytes = Uint8Array.from(query);
  bytes[0] = id >> 8;
  bytes[1] = id & 0xff;
  sentAt.set(id, performance.now());
  socket.send(bytes);
}

function run(seconds: number, perSecond: number): void {
  times = [];
  sentAt.clear();
  const interval = 1_000 / perSecond;
  const begun = performance.now();
  let sent = 0;
  const tick = (): void => {
    for (const now = performance.now(); begun + sent * interval <= now && sent < seconds * perSecond; sent++) sendOne();
    if (sent < seconds * perSecond) setTimeout(tick, 1);
    else setTimeout(() => process.stdout.write(`${JSON.stringify({ sent, answered: times.length, times })}\n`), patienceMs);
  };
  tick();
}

socket.connect(53, server, () => process.stdout.write("ready\n"));
createInterface({ input: process.stdin }).on("line", (line) => {
  const [seconds = 1, perSecond = 1] = line.split(" ").map(Number);
  run(seconds, perSecond);
});
