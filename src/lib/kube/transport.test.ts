import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { createKubeClient } from "./client.ts";

test("a Unix socket takes the place of host and port", async () => {
  const folder = await mkdtemp(join(tmpdir(), "kube-transport-"));
  const socketPath = join(folder, "api.sock");
  const server = createServer((request, response) => response.end(JSON.stringify({ path: request.url })));
  server.listen(socketPath);
  await once(server, "listening");
  const client = createKubeClient({ config: { server: "http://192.0.2.1:6443/prefix", socketPath } });
  try {
    assert.deepEqual(await client.json({ method: "GET", path: "/version" }), { path: "/prefix/version" });
    server.closeAllConnections();
    server.close();
    await once(server, "close");
    await assert.rejects(client.json({ method: "GET", path: "/version" }), { code: "KUBE_UNREACHABLE" });
  } finally {
    client.close();
    await rm(folder, { recursive: true });
  }
});
