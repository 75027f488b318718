// Runs in a pod's network namespace: opens connections, or sends datagrams that nothing answers, at a steady rate. usage: denied-load.ts tcp|udp TARGET FIRST-PORT PORTS
// A line `SECONDS PER-SECOND` on standard input is one run; the answer is a line of JSON: how many were begun, refused and opened, and each one's milliseconds until then.
import { createSocket } from "node:dgram";
import { connect } from "node:net";
import { createInterface } from "node:readline";

const [protocol = "tcp", target = "", firstPort = "0", ports = "1"] = process.argv.slice(2);
/** A connection that has heard nothing for this long got no answer. */
const patienceMs = 2_000;
const socket = createSocket("udp4");
let result = { begun: 0, refused: 0, opened: 0, times: [] as number[] };
const portOf = (number: number): number => Number(firstPort) + (number % Number(ports));

function connectOnce(number: number): void {
  const began = performance.now();
  const client = connect({ host: target, port: portOf(number) });
  const late = setTimeout(() => client.destroy(), patienceMs);
  const end = (outcome: "refused" | "opened"): void => {
    clearTimeout(late);
    result[outcome]++;
    result.times.push(performance.now() - began);
    client.destroy();
  };
  client.once("connect", () => end("opened"));
  client.once("error", () => end("refused"));
}

function run(seconds: number, perSecond: number): void {
  result = { begun: 0, refused: 0, opened: 0, times: [] };
  const interval = 1_000 / perSecond;
  const begun = performance.now();
  const tick = (): void => {
    for (const now = performance.now(); begun + result.begun * interval <= now && result.begun < seconds * perSecond; result.begun++)
      if (protocol === "tcp") connectOnce(result.begun);
      else socket.send("x", portOf(result.begun), target);
    if (result.begun < seconds * perSecond) setTimeout(tick, 1);
    else setTimeout(() => process.stdout.write(`${JSON.stringify(result)}\n`), protocol === "tcp" ? patienceMs : 0);
  };
  tick();
}

socket.on("error", () => {});
process.stdout.write("ready\n");
createInterface({ input: process.stdin }).on("line", (line) => {
  const [seconds = 1, perSecond = 1] = line.split(" ").map(Number);
  run(seconds, perSecond);
});
