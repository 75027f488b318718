import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { createServer } from "node:net";
import { test } from "node:test";
import { probe } from "./probe.ts";

test("probe tells an open port from a closed one, over TCP and UDP", async (context) => {
  const tcp = createServer((socket) => socket.destroy()).listen(0, "127.0.0.1");
  await once(tcp, "listening");
  const udp = createSocket("udp4", (message, from) => udp.send(message, from.port, from.address)).bind(0, "127.0.0.1");
  await once(udp, "listening");
  context.after(() => {
    tcp.close();
    udp.close();
  });
  const tcpTarget = `127.0.0.1:${(tcp.address() as { port: number }).port}`;
  const udpTarget = `127.0.0.1:${udp.address().port}`;
  const lines: string[] = [];
  assert.equal(await probe(["--timeout=2s", tcpTarget, "127.0.0.1:1"], (line) => lines.push(line)), 0);
  await probe(["--protocol=udp", "--timeout=2s", udpTarget, "127.0.0.1:1"], (line) => lines.push(line));
  assert.deepEqual(lines, [`${tcpTarget} ok`, "127.0.0.1:1 refused", `${udpTarget} ok`, "127.0.0.1:1 refused"]);
});
