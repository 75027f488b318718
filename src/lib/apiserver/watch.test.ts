import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { KubeClient } from "#lib/kube/client.ts";
import type { Resource } from "#lib/kube/resource.ts";
import type { WatchEvent } from "#lib/kube/types.ts";
import { isExpired } from "#lib/kube/errors.ts";
import { seconds } from "#lib/runtime/duration.ts";
import { call } from "./testing/http.ts";
import { startTestServer, type TestServer } from "./testing/test-server.ts";
import type { Gadget } from "./testing/tiny-kinds.ts";

const gadgets: Resource<Gadget> = { group: "test.antrea.io", version: "v1", plural: "gadgets", kind: "Gadget", namespaced: true };
const gadgetPath = "/apis/test.antrea.io/v1/gadgets";

let server: TestServer;
let client: KubeClient;
before(async () => {
  server = await startTestServer();
  client = server.client();
});
after(() => server.stop());

const create = (name: string, spec: Gadget["spec"] = {}, labels: Record<string, string> = {}): Promise<Gadget> =>
  client.create(gadgets, { metadata: { name, namespace: "default", labels }, spec: { ...spec } });

/** Takes events one by one. */
function follow(options: Parameters<KubeClient["watch"]>[1]) {
  const stop = new AbortController();
  const events = client
    .watch(gadgets, { ...options, signal: AbortSignal.any([stop.signal, AbortSignal.timeout(seconds(60))]) })
    [Symbol.asyncIterator]();
  return {
    async next(): Promise<string> {
      const { value, done } = await events.next();
      return done ? "END" : shown(value as WatchEvent<Gadget>);
    },
    async stop() {
      stop.abort();
      await events.return?.(undefined);
    },
  };
}

const shown = ({ type, object }: WatchEvent<Gadget>): string =>
  type === "ERROR" ? `ERROR ${object.reason}` : `${type} ${object.metadata.name ?? "-"} ${object.metadata.labels?.color ?? ""}`.trim();

test("a watch from a list goes on without gap, and an object that leaves or enters the selection goes or comes", async () => {
  await create("w1", {}, { color: "red" });
  const { metadata } = await client.list(gadgets, { labelSelector: "color=red" });
  const watch = follow({
    labelSelector: "color=red",
    ...(metadata.resourceVersion === undefined ? {} : { resourceVersion: metadata.resourceVersion }),
  });
  const paint = (name: string, color: string) => client.patch(gadgets, { namespace: "default", name }, { metadata: { labels: { color } } });
  await create("w2", {}, { color: "blue" });
  await paint("w2", "red");
  assert.equal(await watch.next(), "ADDED w2 red");
  await client.patch(gadgets, { namespace: "default", name: "w1" }, { spec: { size: 2 } });
  assert.equal(await watch.next(), "MODIFIED w1 red");
  await paint("w1", "blue");
  assert.equal(await watch.next(), "DELETED w1 red");
  await client.delete(gadgets, { namespace: "default", name: "w2" });
  assert.equal(await watch.next(), "DELETED w2 red");
  await watch.stop();
});

test("versions of events grow, also of removals, and a watch from any of them sees exactly the rest", async () => {
  const { metadata } = await client.list(gadgets);
  const start = metadata.resourceVersion ?? "";
  await create("v1");
  await client.patch(gadgets, { namespace: "default", name: "v1" }, { spec: { size: 9 } });
  await client.delete(gadgets, { namespace: "default", name: "v1" });
  const versions: number[] = [];
  const kinds: string[] = [];
  for await (const { type, object } of client.watch(gadgets, { resourceVersion: start })) {
    kinds.push(type);
    if (type !== "ERROR") versions.push(Number(object.metadata.resourceVersion));
    if (type === "DELETED") break;
  }
  assert.deepEqual(kinds, ["ADDED", "MODIFIED", "DELETED"]);
  assert.deepEqual(
    versions,
    versions.toSorted((left, right) => left - right),
  );
  for (const [index, version] of versions.entries()) {
    const rest: string[] = [];
    await create(`marker-${index}`);
    for await (const { type, object } of client.watch(gadgets, { resourceVersion: String(version) })) {
      if (type !== "ERROR" && object.metadata.name === `marker-${index}`) break;
      if (type !== "ERROR" && object.metadata.name === "v1") rest.push(type);
    }
    assert.deepEqual(rest, kinds.slice(index + 1));
  }
});

test("a watch without a version begins with what is there; with sendInitialEvents a bookmark says where that ends", async () => {
  await create("i1", {}, { initial: "yes" });
  const watch = follow({ labelSelector: "initial=yes" });
  assert.equal(await watch.next(), "ADDED i1");
  await watch.stop();
  const path = `${gadgetPath}?watch=1&timeoutSeconds=1&labelSelector=initial%3Dyes&sendInitialEvents=true&allowWatchBookmarks=true&resourceVersionMatch=NotOlderThan`;
  const { body } = await call(server, { path });
  const events = body as unknown as WatchEvent<Gadget>[];
  assert.deepEqual(
    events.map(({ type }) => type),
    ["ADDED", "BOOKMARK"],
  );
  const mark = events[1]?.object as Gadget | undefined;
  assert.deepEqual(mark?.metadata.annotations, { "k8s.io/initial-events-end": "true" });
  assert.equal(mark?.metadata.resourceVersion, String(server.objects.store.revision));
});

test("bookmarks tell a quiet watcher the version that other kinds have reached", async () => {
  const watch = follow({ resourceVersion: String(server.objects.store.revision), fieldSelector: "metadata.name=none" });
  const first = watch.next();
  await client.json({ method: "POST", path: "/api/v1/namespaces/default/notes", body: JSON.stringify({ metadata: { name: "n" } }) });
  // the watch may not have begun yet: bookmarks go to those who listen
  let told: string | undefined;
  const hear = first.then((event) => {
    told = event;
  });
  while (told === undefined) {
    server.objects.store.bookmark();
    await new Promise((resolve) => setImmediate(resolve));
  }
  await hear;
  assert.equal(told, "BOOKMARK -");
  await watch.stop();
});

test("a watch ends after timeoutSeconds", async () => {
  const started = performance.now();
  const { code, text } = await call(server, {
    path: `${gadgetPath}?watch=true&timeoutSeconds=1&resourceVersion=${server.objects.store.revision}`,
  });
  assert.deepEqual([code, text], [200, ""]);
  assert.ok(performance.now() - started >= 900);
});

test("a version that is no longer kept is refused as expired, a future one as too large", async () => {
  const small = await startTestServer();
  const own = small.client();
  try {
    for (let index = 0; index < 9_000; index += 100) {
      const writes = Array.from({ length: 100 }, (_, offset) =>
        small.objects.create(
          { group: "test.antrea.io", resource: "gadgets" },
          { metadata: { name: `x${index + offset}`, namespace: "default" } },
          {
            user: { username: "test", groups: [] },
            parameters: new URLSearchParams(),
            signal: new AbortController().signal,
            dryRun: false,
            warn() {},
          },
        ),
      );
      await Promise.all(writes);
    }
    const watching = own.watch(gadgets, { resourceVersion: "2" })[Symbol.asyncIterator]();
    await assert.rejects(watching.next(), isExpired);
    const future = await call(small, { path: `${gadgetPath}?watch=true&resourceVersion=99999999` });
    assert.deepEqual([future.code, future.body.reason], [504, "Timeout"]);
  } finally {
    await small.stop();
  }
});

/** Megabytes that a watcher leaves unread: more than may wait for it, and what the kernel keeps beyond that. */
const unread = [
  { form: "objects", accept: "application/json", megabytes: 40 },
  // its bytes are its own, so that less may wait: 8 MiB more would not be closed after so many
  { form: "tables", accept: "application/json;as=Table;v=v1;g=meta.k8s.io", megabytes: 8 },
];

for (const { form, accept, megabytes } of unread)
  test(`a watcher of ${form} that does not read is closed, and others go on`, async () => {
    const { connect } = await import("node:tls");
    const socket = connect({
      host: "127.0.0.1",
      port: server.port,
      ca: server.authority.certificate,
      cert: server.admin.certificate,
      key: server.admin.key,
    });
    socket.on("error", () => {});
    const parameters = `watch=1&includeObject=Object&resourceVersion=${server.objects.store.revision}`;
    socket.write(`GET ${gadgetPath}?${parameters} HTTP/1.1\r\nHost: x\r\nAccept: ${accept}\r\n\r\n`);
    await new Promise((resolve) => socket.once("data", resolve));
    socket.pause();
    const closed = new Promise((resolve) => socket.once("close", resolve));
    const watch = follow({ resourceVersion: String(server.objects.store.revision) });
    const name = `large-${form}`;
    const large = { filler: "x".repeat(1_000_000) };
    await create(name);
    assert.equal(await watch.next(), `ADDED ${name}`);
    for (let round = 0; round < megabytes; round++) {
      await client.patch(gadgets, { namespace: "default", name }, { spec: { tags: { ...large, round: String(round) } } });
      assert.equal(await watch.next(), `MODIFIED ${name}`);
    }
    socket.resume();
    await closed;
    await watch.stop();
  });
