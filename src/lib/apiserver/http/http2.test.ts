import assert from "node:assert/strict";
import { once } from "node:events";
import { type ClientHttp2Session, type ClientHttp2Stream, connect, type OutgoingHttpHeaders } from "node:http2";
import { after, before, test } from "node:test";
import { call } from "../testing/http.ts";
import { startTestServer, type TestServer } from "../testing/test-server.ts";

let server: TestServer;
const gadgets = "/apis/test.antrea.io/v1/namespaces/default/gadgets";

before(async () => {
  server = await startTestServer();
});
after(() => server.stop());

function open(): ClientHttp2Session {
  const { authority, admin, url } = server;
  const session = connect(url, { ca: authority.certificate, cert: admin.certificate, key: admin.key });
  session.on("error", () => {});
  return session;
}

interface Answer {
  readonly code: number;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly text: string;
}

async function answerOf(stream: ClientHttp2Stream): Promise<Answer> {
  let headers: Readonly<Record<string, unknown>> = {};
  stream.once("response", (received) => {
    headers = received;
  });
  let text = "";
  stream.setEncoding("utf8");
  stream.on("data", (chunk: string) => {
    text += chunk;
  });
  const error = await new Promise<unknown>((resolve) => {
    stream.once("error", resolve);
    stream.once("close", () => resolve(undefined));
  });
  if (error !== undefined && headers[":status"] === undefined) throw error;
  return { code: Number(headers[":status"]), headers, text };
}

function ask(session: ClientHttp2Session, headers: OutgoingHttpHeaders, body?: string | Buffer): Promise<Answer> {
  const stream = session.request({ ":method": "GET", ...headers }, { endStream: body === undefined });
  if (body !== undefined) stream.end(body);
  return answerOf(stream);
}

const made = (name: string): string => JSON.stringify({ metadata: { name } });

/** A watch from now on, which is there when this resolves; its bytes are left unread. */
async function watch(session: ClientHttp2Session): Promise<ClientHttp2Stream> {
  const stream = session.request({ ":path": `${gadgets}?watch=true&resourceVersion=${server.objects.store.revision}` });
  stream.on("error", () => {});
  await once(stream, "response");
  return stream;
}

test("one connection makes, lists and watches, and the user is who the certificate says", async () => {
  const session = open();
  const watching = await watch(session);
  watching.setEncoding("utf8");
  const event = once(watching, "data");
  const created = await ask(session, { ":method": "POST", ":path": gadgets, "content-type": "application/json" }, made("one"));
  assert.equal(created.code, 201, created.text);
  assert.match(String((await event)[0]), /^\{"type":"ADDED","object":\{.*"name":"one"/);
  const list = await ask(session, { ":path": gadgets });
  assert.deepEqual([list.code, list.headers["content-type"], /"name":"one"/.test(list.text)], [200, "application/json", true]);
  assert.equal((await ask(session, { ":path": `${gadgets}/none` })).code, 404);
  watching.close();
  session.close();

  const stranger = connect(server.url, { ca: server.authority.certificate });
  assert.equal((await ask(stranger, { ":path": gadgets })).code, 401);
  stranger.close();
});

test("a client of HTTP/1.1 goes on as before", async () => {
  assert.equal((await call(server, { path: gadgets })).code, 200);
});

test("a body over the limit is refused, and the connection goes on", async () => {
  const session = open();
  const large = await ask(
    session,
    { ":method": "POST", ":path": gadgets, "content-type": "application/json" },
    Buffer.alloc(4 * 1024 * 1024, "x"),
  );
  assert.equal(large.code, 413);
  // without a length that announces it
  const stream = session.request({ ":method": "POST", ":path": gadgets, "content-type": "application/json" }, { endStream: false });
  const answer = answerOf(stream);
  stream.on("error", () => {});
  let refused = false;
  stream.once("response", () => {
    refused = true;
  });
  const pump = (): void => {
    if (refused) stream.end();
    else stream.write(Buffer.alloc(64 * 1024, "x"), pump);
  };
  pump();
  assert.equal((await answer).code, 413);
  assert.equal((await ask(session, { ":path": "/readyz" })).code, 200);
  session.close();
});

test("floods of headers are refused, and nobody else notices", async () => {
  const session = open();
  const many = Object.fromEntries(Array.from({ length: 3_000 }, (_, index) => [`x-${index}`, "y"]));
  await assert.rejects(ask(session, { ":path": "/api", ...many }));
  await assert.rejects(ask(session, { ":path": "/api", "x-long": "y".repeat(60_000) }));
  session.destroy();
  const other = open();
  assert.equal((await ask(other, { ":path": "/readyz" })).code, 200);
  other.close();
});

test("a connection has 250 streams at most, and others are not held up", async () => {
  const session = open();
  await once(session, "remoteSettings");
  assert.equal(session.remoteSettings.maxConcurrentStreams, 250);
  const watches = await Promise.all(Array.from({ length: 250 }, () => watch(session)));
  const waiting = ask(session, { ":path": "/readyz" });
  const other = open();
  assert.equal((await ask(other, { ":path": "/readyz" })).code, 200);
  other.close();
  assert.equal(watches.length, 250);
  session.destroy();
  assert.ok(Number.isNaN((await waiting).code), "it was answered nonetheless");
});

test("a watcher that does not read loses its stream, and its connection goes on", async () => {
  const session = open();
  const slow = await watch(session);
  slow.pause();
  const lost = new Promise((resolve) => slow.once("close", resolve));
  const client = server.client();
  const gadget = { group: "test.antrea.io", version: "v1", plural: "gadgets", kind: "Gadget", namespaced: true } as const;
  await client.create(gadget, { metadata: { namespace: "default", name: "large" } });
  const filler = "x".repeat(1_000_000);
  for (let round = 0; round < 20; round++)
    await client.patch(gadget, { namespace: "default", name: "large" }, { spec: { tags: { filler, round: String(round) } } });
  slow.resume();
  await lost;
  assert.equal((await ask(session, { ":path": "/readyz" })).code, 200);
  session.close();
});
