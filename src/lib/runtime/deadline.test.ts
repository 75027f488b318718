import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, createServer } from "node:net";
import { test } from "node:test";
import { deadline } from "./deadline.ts";
import { milliseconds } from "./duration.ts";

test("what arrived in time counts, however late the process comes to read it", async (context) => {
  const server = createServer((peer) => peer.destroy()).listen(0, "127.0.0.1");
  await once(server, "listening");
  context.after(() => server.close());
  const socket = connect({ host: "127.0.0.1", port: (server.address() as { port: number }).port });
  const verdict = await new Promise((resolve) => {
    const waiting = deadline(milliseconds(1), () => resolve("late"));
    socket.once("connect", () => {
      waiting.cancel();
      resolve("connected");
    });
    // Once the system was asked to connect. It does so while this process is busy past the deadline.
    setImmediate(() => {
      const end = performance.now() + 50;
      while (performance.now() < end);
    });
  });
  socket.destroy();
  assert.equal(verdict, "connected");
});

test("nothing in time: it expires, once", async () => {
  let expired = 0;
  await new Promise<void>((resolve) => {
    deadline(milliseconds(1), () => {
      expired++;
      resolve();
    });
    deadline(milliseconds(1), () => expired++).cancel();
  });
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(expired, 1);
});
