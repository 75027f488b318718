import assert from "node:assert/strict";
import { once } from "node:events";
import { createSecureServer, type Http2ServerRequest, type Http2ServerResponse, type ServerHttp2Session } from "node:http2";
import { createServer as createHttpsServer } from "node:https";
import type { AddressInfo, Socket } from "node:net";
import { type TestContext, test } from "node:test";
import { createAuthority, issueCertificate } from "#lib/apiserver/certificates.ts";
import { systemRuntime } from "#lib/runtime/runtime.ts";
import { createKubeClient } from "./client.ts";
import { createHttp2Transport } from "./http2-transport.ts";
import { pods } from "./kinds.ts";

const runtime = systemRuntime({ level: "error" });
const authority = createAuthority(runtime, { commonName: "cluster" });
const { certificate: cert, key } = issueCertificate(runtime, authority, { commonName: "api", hosts: ["127.0.0.1"], usages: ["server"] });

/** A server whose watches say nothing but what the test says, and whose other answers are the paths that were asked for. */
async function serve(context: TestContext) {
  const server = createSecureServer({ cert, key });
  const sessions: ServerHttp2Session[] = [];
  const sockets = new Set<Socket>();
  const watches: Http2ServerResponse[] = [];
  server.on("session", (session) => sessions.push(session));
  server.on("secureConnection", (socket: Socket) => sockets.add(socket));
  server.on("request", (request: Http2ServerRequest, response: Http2ServerResponse) => {
    if (request.url.includes("hang")) return;
    if (!request.url.includes("watch=true")) return void response.end(JSON.stringify({ path: request.url }));
    watches.push(response);
    response.stream.respond({ ":status": 200 });
    server.emit("watched");
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const config = { server: `https://127.0.0.1:${(server.address() as AddressInfo).port}`, ca: authority.certificate };
  const client = createKubeClient({ config, transport: createHttp2Transport(config) });
  context.after(() => {
    client.close();
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const watch = async () => {
    const watched = once(server, "watched");
    const events = client.watch(pods)[Symbol.asyncIterator]();
    const first = events.next();
    first.catch(() => {});
    await watched;
    return { events, first };
  };
  return { client, sessions, sockets, watches, watch };
}

const line = (name: string): string => `${JSON.stringify({ type: "ADDED", object: { metadata: { name } } })}\n`;

test("watches and requests share a connection, and each gets its own", async (context) => {
  const { client, sessions, watches, watch } = await serve(context);
  const [one, other] = [await watch(), await watch()];
  watches[1]?.write(line("second"));
  watches[0]?.write(line("first"));
  const nameOf = async (first: Promise<IteratorResult<unknown>>) =>
    ((await first).value as { readonly object: { readonly metadata: unknown } }).object.metadata;
  assert.deepEqual([await nameOf(one.first), await nameOf(other.first)], [{ name: "first" }, { name: "second" }]);
  assert.deepEqual(await client.json({ method: "GET", path: "/version" }), { path: "/version" });
  const body = JSON.stringify({ text: "é".repeat(100_000) });
  assert.deepEqual(await client.json({ method: "POST", path: "/posted", body }), { path: "/posted" });
  assert.equal(sessions.length, 1);
});

test("a connection that is cut ends what is on it as a failure, and the next request makes another", async (context) => {
  const { client, sessions, sockets, watches, watch } = await serve(context);
  const { events, first } = await watch();
  watches[0]?.write(`${line("first")}{"type":`);
  await first;
  for (const socket of sockets) socket.destroy();
  await assert.rejects(events.next(), { code: "KUBE_UNREACHABLE" });
  assert.deepEqual(await client.json({ method: "GET", path: "/version" }), { path: "/version" });
  assert.equal(sessions.length, 2);
});

test("after one that was given up the next request takes another connection, and what is on the old one goes on", async (context) => {
  const { client, sessions, watches, watch } = await serve(context);
  const { first } = await watch();
  const patience = new AbortController();
  const asked = client.json({ method: "GET", path: "/hang", signal: patience.signal });
  setImmediate(() => patience.abort(new Error("too slow")));
  await assert.rejects(asked, /too slow/);
  assert.deepEqual(await client.json({ method: "GET", path: "/version" }), { path: "/version" });
  assert.equal(sessions.length, 2);
  watches[0]?.write(line("first"));
  assert.equal((await first).done, false);
  await assert.rejects(client.json({ method: "GET", path: "/never", signal: AbortSignal.abort(new Error("before")) }), /before/);
});

test("a server of HTTP/1.1 is spoken to as ever; one that is not known, or not there, is unreachable", async (context) => {
  const server = createHttpsServer({ cert, key }, (request, response) =>
    response.end(JSON.stringify({ path: request.url, version: request.httpVersion })),
  );
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const clientOf = (config: { readonly server: string; readonly ca?: string }) => {
    const client = createKubeClient({ config, transport: createHttp2Transport(config) });
    context.after(() => client.close());
    return client;
  };
  const known = clientOf({ server: address, ca: authority.certificate });
  const ask = { method: "GET", path: "/version" } as const;
  assert.deepEqual(await known.json(ask), { path: "/version", version: "1.1" });
  assert.deepEqual(await known.json(ask), { path: "/version", version: "1.1" });
  await assert.rejects(clientOf({ server: address }).json(ask), { code: "KUBE_UNREACHABLE" });
  server.closeAllConnections();
  server.close();
  await once(server, "close");
  await assert.rejects(clientOf({ server: address, ca: authority.certificate }).json(ask), { code: "KUBE_UNREACHABLE" });
});

test("a connection that nobody wants any more when it is there harms nobody", async (context) => {
  const { client, sessions } = await serve(context);
  for (let round = 0; round < 20; round++) {
    const { server: name } = client;
    const transport = createHttp2Transport({ server: name, ca: authority.certificate });
    const giveUp = new AbortController();
    const asked = transport.send({ method: "GET", path: "/hang", signal: giveUp.signal });
    const refused = assert.rejects(asked);
    // At a different moment of the way to a connection each time.
    for (let turn = 0; turn < round; turn++) await new Promise((resolve) => setImmediate(resolve));
    giveUp.abort(new Error("enough"));
    await refused;
    transport.close();
  }
  assert.deepEqual(await client.json({ method: "GET", path: "/version" }), { path: "/version" });
  assert.ok(sessions.length > 0);
});
