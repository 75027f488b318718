import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { test } from "node:test";
import { hold } from "./hold.ts";

test("a held connection asks again and again over itself, and says when it is lost", async (context) => {
  const server = createServer((_request, response) => void response.end()).listen(0, "127.0.0.1");
  await once(server, "listening");
  const connections: Socket[] = [];
  server.on("connection", (socket) => connections.push(socket));
  context.after(() => {
    server.close();
    server.closeAllConnections();
  });
  const verdicts: string[] = [];
  const enough = new AbortController();
  const { port } = server.address() as AddressInfo;
  const note = (line: string): void => {
    const [at, verdict = ""] = line.split(" ");
    assert.ok(Number(at) > 0);
    verdicts.push(verdict);
    if (verdicts.length === 3) connections[0]?.destroy();
    if (verdicts.includes("lost") && verdicts.at(-1) === "ok") enough.abort();
  };
  await hold(["--interval=1ms", `127.0.0.1:${port}`], note, enough.signal);
  assert.deepEqual(verdicts.slice(0, 3), ["ok", "ok", "ok"]);
  assert.equal(verdicts.filter((verdict) => verdict === "lost").length, 1);
  assert.equal(connections.length, 2);
});
