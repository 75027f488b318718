import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { once } from "node:events";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { promisify } from "node:util";
import { milliseconds, silentLogger, systemRuntime } from "#lib/runtime/index.ts";
import { createKubeClient } from "./client.ts";
import { pods } from "./kinds.ts";
import { leanPod } from "./lean.ts";
import { reflect } from "./reflector.ts";

const runtime = { ...systemRuntime(), logger: silentLogger };
const pod = (name: string, resourceVersion: string) => ({
  metadata: { name, namespace: "shop", uid: name, resourceVersion, managedFields: [{ manager: "m" }] },
  spec: { containers: [{ name: "c", image: "i" }] },
});

/** An API with one pod, whose watches are open and say only what the test sends. */
async function fakeApi() {
  const watches: { readonly url: string; readonly response: ServerResponse }[] = [];
  let lists = 0;
  let opened = Promise.withResolvers<void>();
  const server = createServer((request, response) => {
    const url = request.url ?? "";
    if (url.includes("watch=true")) {
      response.flushHeaders();
      watches.push({ url, response });
      opened.resolve();
      opened = Promise.withResolvers();
    } else {
      lists++;
      response.end(JSON.stringify({ metadata: { resourceVersion: "10" }, items: [pod("web", "9")] }));
    }
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return {
    port,
    client: createKubeClient({ config: { server: `http://127.0.0.1:${port}` } }),
    watches,
    lists: () => lists,
    async whenOpened(count: number) {
      while (watches.length < count) await opened.promise;
    },
    say: (type: string, object: unknown) => watches.at(-1)?.response.write(`${JSON.stringify({ type, object })}\n`),
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
}

test("a watch that hangs silently is opened again from where it was, without a new list; every word prolongs it", async () => {
  const api = await fakeApi();
  const stop = new AbortController();
  const table = reflect({ runtime, client: api.client, resource: pods, signal: stop.signal, silenceLimit: milliseconds(150) });
  await api.whenOpened(1);
  api.say("BOOKMARK", { metadata: { resourceVersion: "12" } });
  await api.whenOpened(2);
  assert.match(api.watches[1]?.url ?? "", /resourceVersion=12\b/);
  assert.equal(api.lists(), 1);
  assert.equal(table.problem, undefined);
  const hung = api.watches[0]?.response;
  if (hung?.closed === false) await once(hung, "close");

  // the new watch is alive
  const heard = new Promise<void>((resolve) => table.subscribe(({ key }) => void (key === "shop/db" && resolve())));
  api.say("ADDED", pod("db", "13"));
  await heard;
  assert.deepEqual([...table.rows()].map(({ metadata }) => metadata.name).sort(), ["db", "web"]);
  stop.abort();
  api.client.close();
  api.close();
});

test("rows are what the transform keeps, from lists and from watches", async () => {
  const api = await fakeApi();
  const stop = new AbortController();
  const table = reflect({ runtime, client: api.client, resource: pods, signal: stop.signal, transform: leanPod });
  await api.whenOpened(1);
  const heard = new Promise<void>((resolve) => table.onProgress((version) => void (version === "13" && resolve())));
  api.say("ADDED", pod("db", "13"));
  await heard;
  const kept = (name: string, resourceVersion: string) => ({
    metadata: { name, namespace: "shop", uid: name, resourceVersion },
    spec: { containers: [{ name: "c" }] },
  });
  assert.deepEqual([table.get("shop/web"), table.get("shop/db")], [kept("web", "9"), kept("db", "13")]);
  stop.abort();
  api.client.close();
  api.close();
});

test("TCP asks after a silent peer: the kernel's timer runs on an open watch", async () => {
  const api = await fakeApi();
  const stop = new AbortController();
  reflect({ runtime, client: api.client, resource: pods, signal: stop.signal });
  await api.whenOpened(1);
  const { stdout } = await promisify(execFile)("ss", ["-tnoH", "state", "established", "dst", `127.0.0.1:${api.port}`]);
  assert.match(stdout, /timer:\(keepalive,(2\d|30)/);
  stop.abort();
  api.client.close();
  api.close();
});
