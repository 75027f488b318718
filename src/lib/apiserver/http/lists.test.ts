import assert from "node:assert/strict";
import { once } from "node:events";
import { request as httpsRequest } from "node:https";
import { after, before, test } from "node:test";
import { gunzipSync } from "node:zlib";
import { type Answer, type Call, call } from "../testing/http.ts";
import { startTestServer, type TestServer } from "../testing/test-server.ts";

let server: TestServer;
const ask = (wanted: Call): Promise<Answer> => call(server, wanted);
const notes = "/api/v1/namespaces/default/notes";
const make = (name: string, text: string): Promise<Answer> => ask({ method: "POST", path: notes, body: { metadata: { name }, text } });

before(async () => {
  server = await startTestServer();
  for (let index = 0; index < 20; index++) await make(`note-${index}`, "äx".repeat(10_000));
});
after(() => server.stop());

test("a long list comes in pieces, compressed for who can read that, and is the same", async () => {
  const plain = await ask({ path: notes });
  assert.equal((plain.body.items as unknown as readonly unknown[]).length, 20);
  assert.equal(plain.headers["content-encoding"], undefined);
  const request = httpsRequest({
    host: "127.0.0.1",
    port: server.port,
    agent: false,
    ca: server.authority.certificate,
    cert: server.admin.certificate,
    key: server.admin.key,
    path: notes,
    headers: { "accept-encoding": "br;q=1, gzip" },
  }).end();
  const [answer] = (await once(request, "response")) as [import("node:http").IncomingMessage];
  const chunks: Buffer[] = [];
  for await (const chunk of answer as AsyncIterable<Buffer>) chunks.push(chunk);
  assert.equal(answer.headers["content-encoding"], "gzip");
  assert.deepEqual(JSON.parse(gunzipSync(Buffer.concat(chunks)).toString("utf8")), plain.body);
  const short = await ask({ path: `${notes}/note-1`, headers: { "accept-encoding": "gzip" } });
  assert.equal(short.headers["content-encoding"], undefined);
});

test("a client that leaves in the middle of a list takes nobody with it", async () => {
  const request = httpsRequest({
    host: "127.0.0.1",
    port: server.port,
    agent: false,
    ca: server.authority.certificate,
    cert: server.admin.certificate,
    key: server.admin.key,
    path: notes,
  }).end();
  const [answer] = (await once(request, "response")) as [import("node:http").IncomingMessage];
  answer.once("data", () => request.destroy());
  await once(answer, "close").catch(() => {});
  assert.equal((await ask({ path: `${notes}/note-1` })).code, 200);
});

test("one object is watched by its own path", async () => {
  const watch = ask({ path: `${notes}/note-3?watch=1&timeoutSeconds=1&fieldSelector=metadata.namespace%3Ddefault` });
  const { text } = await watch;
  const events = text
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as { type: string; object: { metadata: { name: string } } });
  assert.deepEqual(
    events.map(({ type, object }) => `${type} ${object.metadata.name}`),
    ["ADDED note-3"],
  );
  const namespace = await ask({ path: "/api/v1/namespaces/default?watch=1&timeoutSeconds=1" });
  assert.match(namespace.text, /"ADDED".*"name":"default"/);
});

test("versions and how to match them are asked for as Kubernetes allows", async () => {
  const version = (await ask({ path: notes })).body.metadata?.resourceVersion as unknown as string;
  const cases: readonly [string, number][] = [
    ["?resourceVersionMatch=Exact", 422],
    ["?resourceVersionMatch=Exact&resourceVersion=0", 422],
    ["?resourceVersionMatch=Nearly&resourceVersion=1", 422],
    [`?resourceVersionMatch=Exact&resourceVersion=${version}`, 200],
    [`?resourceVersionMatch=NotOlderThan&resourceVersion=${version}`, 200],
    ["?resourceVersionMatch=NotOlderThan&resourceVersion=0", 200],
    ["?resourceVersionMatch=NotOlderThan&resourceVersion=999999", 504],
    ["?sendInitialEvents=true&resourceVersionMatch=NotOlderThan", 422],
    ["?watch=1&sendInitialEvents=true", 422],
    ["?watch=1&sendInitialEvents=true&resourceVersionMatch=Exact", 422],
    ["?watch=1&resourceVersionMatch=NotOlderThan&resourceVersion=1", 422],
  ];
  for (const [query, code] of cases) assert.equal((await ask({ path: `${notes}${query}` })).code, code, query);
  const quiet = await ask({ path: `${notes}?watch=1&timeoutSeconds=1&sendInitialEvents=false&resourceVersionMatch=NotOlderThan` });
  assert.deepEqual([quiet.code, quiet.text], [200, ""]);
});
