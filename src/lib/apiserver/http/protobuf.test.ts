import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { createFrameSplitter, kubernetesProtobuf, protobufMediaType, readWatchEvent, type TypeMeta } from "#lib/kube/protobuf/index.ts";
import { type Answer, call, type Json } from "../testing/http.ts";
import { startTestServer, type TestServer } from "../testing/test-server.ts";

// Of the tiny kinds, Namespace has messages, Gadget has none.

let server: TestServer;
const namespaces = "/api/v1/namespaces";
const gadgets = "/apis/test.antrea.io/v1/namespaces/default/gadgets";
const namespaceKind = { apiVersion: "v1", kind: "Namespace" };
const partial = "as=PartialObjectMetadata;g=meta.k8s.io;v=v1";

before(async () => {
  server = await startTestServer();
});
after(() => server.stop());

const ask = (method: string, path: string, accept: string, body?: { readonly kind: TypeMeta; readonly object: object }): Promise<Answer> =>
  call(server, {
    method,
    path,
    headers: { accept, ...(body && { "content-type": protobufMediaType }) },
    ...(body && { body: Buffer.from(kubernetesProtobuf.encode(body.kind, body.object)) }),
  });

function decoded(bytes: Uint8Array): Json {
  const read = kubernetesProtobuf.decode(bytes);
  assert.ok("object" in read, JSON.stringify(read));
  return read.object as unknown as Json;
}

test("an object is made, read, listed and deleted without a word of JSON", async () => {
  const made = await ask("POST", namespaces, protobufMediaType, { kind: namespaceKind, object: { metadata: { name: "wire" } } });
  assert.deepEqual([made.code, made.headers["content-type"]], [201, protobufMediaType]);
  const json = (await call(server, { path: `${namespaces}/wire` })).body;
  assert.deepEqual(decoded(made.bytes), json);
  assert.deepEqual(decoded((await ask("GET", `${namespaces}/wire`, protobufMediaType)).bytes), decoded(made.bytes));

  const list = await ask("GET", `${namespaces}?limit=1`, protobufMediaType);
  const page = decoded(list.bytes);
  assert.deepEqual([page.kind, page.items?.length, page.metadata?.remainingItemCount], ["NamespaceList", 1, 1]);
  assert.equal(list.headers["content-length"], String(list.bytes.length));

  const options = { kind: { apiVersion: "v1", kind: "DeleteOptions" }, object: { dryRun: ["All"] } };
  const deleted = await ask("DELETE", `${namespaces}/wire`, protobufMediaType, options);
  assert.deepEqual([deleted.code, deleted.headers["content-type"]], [200, protobufMediaType]);
});

test("a watch is a stream of frames, each with the object in its envelope", async () => {
  const path = `${namespaces}?watch=1&timeoutSeconds=1&allowWatchBookmarks=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan`;
  const watch = await ask("GET", path, `${protobufMediaType};stream=watch`);
  assert.equal(watch.headers["content-type"], `${protobufMediaType};stream=watch`);
  const events = createFrameSplitter(1 << 20)
    .push(watch.bytes)
    .frames.map((frame) => {
      const event = readWatchEvent(frame);
      assert.ok(event !== undefined);
      return { type: event.type, object: decoded(event.object) };
    });
  assert.deepEqual(
    events.slice(0, -1).map(({ type, object }) => [type, object.kind]),
    events.slice(0, -1).map(() => ["ADDED", "Namespace"]),
  );
  const last = events.at(-1);
  assert.deepEqual([last?.type, last?.object.metadata?.annotations], ["BOOKMARK", { "k8s.io/initial-events-end": "true" }]);
});

test("a kind without messages is JSON for those who take it, and refused to others", async () => {
  const both = await ask("GET", gadgets, `${protobufMediaType}, */*`);
  assert.deepEqual([both.code, both.headers["content-type"], both.body.kind], [200, "application/json", "GadgetList"] as never);
  const only = await ask("GET", gadgets, protobufMediaType);
  assert.deepEqual([only.code, only.body.reason], [406, "NotAcceptable"] as never);
  const body = await ask("POST", gadgets, "*/*", { kind: namespaceKind, object: {} });
  assert.equal(body.code, 400);
});

test("the metadata of every kind can be had", async () => {
  for (const path of [gadgets, namespaces]) {
    const list = decoded((await ask("GET", path, `${protobufMediaType};${partial},application/json;${partial}`)).bytes);
    assert.equal(list.kind, "PartialObjectMetadataList");
  }
});

test("what is refused is a Status in JSON", async () => {
  const { code, headers, body } = await ask("GET", `${namespaces}/none`, protobufMediaType);
  assert.deepEqual([code, headers["content-type"], body.reason], [404, "application/json", "NotFound"] as never);
});
