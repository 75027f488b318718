import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:http2";
import { test } from "node:test";
import { seconds } from "#lib/runtime/duration.ts";
import { kindSchema } from "../openapi/meta.ts";
import { defineResource, type ResourceDefinition } from "../resource.ts";
import type { WatchSink } from "../resource-store.ts";
import { startTestServer } from "../testing/test-server.ts";
import { namespace } from "../testing/tiny-kinds.ts";

const path = "/apis/test.antrea.io/v1/streams?watch=true";
const noSooner = { timeout: seconds(20) };

/** A kind whose watches begin with 8 MB, and say when they begin and end. */
function createStreams() {
  const began = Promise.withResolvers<WatchSink>();
  const ended = Promise.withResolvers<void>();
  const definition: ResourceDefinition = defineResource({
    group: "test.antrea.io",
    version: "v1",
    resource: "streams",
    singular: "stream",
    kind: "Stream",
    listKind: "StreamList",
    namespaced: false,
    verbs: ["watch"],
    schema: kindSchema({
      id: "io.antrea.test.v1.Stream",
      group: "test.antrea.io",
      version: "v1",
      kind: "Stream",
      description: "Much.",
      fields: { text: { type: "string" } },
    }),
    columns: [],
    store: {
      watch(_options, sink) {
        const text = "x".repeat(1_000_000);
        for (let round = 0; round < 8; round++)
          sink.send({
            type: "ADDED",
            object: { kind: "Stream", apiVersion: "test.antrea.io/v1", metadata: { name: `${round}` }, text } as never,
          });
        began.resolve(sink);
        return () => ended.resolve();
      },
    },
  });
  return { definition, began: began.promise, ended: ended.promise };
}

test("what waits for a watcher who left, over HTTP/2, is forgotten", noSooner, async () => {
  const streams = createStreams();
  const server = await startTestServer({ resources: [namespace, streams.definition] });
  try {
    const { authority, admin, url } = server;
    const session = connect(url, { ca: authority.certificate, cert: admin.certificate, key: admin.key });
    session.on("error", () => {});
    const watching = session.request({ ":path": path });
    watching.on("error", () => {});
    await once(watching, "response");
    const sink = await streams.began;
    assert.ok((sink.pendingBytes ?? 0) > 1_000_000, "unread, it waits here");
    session.destroy();
    await streams.ended;
    assert.equal(sink.pendingBytes, 0);
    assert.equal(sink.send({ type: "BOOKMARK", object: { metadata: {} } }), false);
  } finally {
    await server.stop();
  }
});

test("a watch of somebody who left while it was asked who that is ends, over HTTP/2 too", noSooner, async () => {
  const streams = createStreams();
  const asked = Promise.withResolvers<void>();
  const left = Promise.withResolvers<void>();
  const known = Promise.withResolvers<void>();
  const server = await startTestServer({
    resources: [namespace, streams.definition],
    authenticators: () => [
      {
        async authenticate(request) {
          request.once("close", () => left.resolve());
          asked.resolve();
          await known.promise;
          return { username: "late", groups: [] };
        },
      },
    ],
  });
  try {
    const session = connect(server.url, { ca: server.authority.certificate });
    session.on("error", () => {});
    session.request({ ":path": path }).on("error", () => {});
    await asked.promise;
    session.destroy();
    await left.promise;
    known.resolve();
    await streams.ended;
  } finally {
    await server.stop();
  }
});
