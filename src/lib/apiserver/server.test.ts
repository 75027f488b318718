import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { call, type Answer, type Call } from "./testing/http.ts";
import { startTestServer, type TestServer } from "./testing/test-server.ts";

let server: TestServer;
const ask = (wanted: Call): Promise<Answer> => call(server, wanted);
const gadgets = "/apis/test.antrea.io/v1/namespaces/default/gadgets";
const gadget = (name: string, spec: object = {}, metadata: object = {}) => ({ metadata: { name, ...metadata }, spec });
const create = async (name: string, spec: object = {}, metadata: object = {}): Promise<Answer> =>
  ask({ method: "POST", path: gadgets, body: gadget(name, spec, metadata) });

before(async () => {
  server = await startTestServer();
});
after(() => server.stop());

test("a created object gets its type, defaults and server-set metadata, and reads back as it was answered", async () => {
  const { code, body } = await create("made", { color: "red" });
  assert.equal(code, 201);
  const { uid, creationTimestamp, resourceVersion, managedFields: _owners, ...metadata } = body.metadata ?? {};
  assert.match(String(uid), /^[0-9a-f-]{36}$/);
  assert.match(String(creationTimestamp), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
  assert.ok(Number(resourceVersion) > 0);
  assert.deepEqual(metadata, { name: "made", namespace: "default", generation: 1 });
  assert.deepEqual([body.apiVersion, body.kind, body.spec], ["test.antrea.io/v1", "Gadget", { color: "red", size: 1 }]);
  assert.deepEqual((await ask({ path: `${gadgets}/made` })).body, body);
});

test("failures are Statuses with code, reason and details", async () => {
  await create("taken");
  const cases: readonly [Call, number, string][] = [
    [{ path: `${gadgets}/absent` }, 404, "NotFound"],
    [{ path: "/apis/test.antrea.io/v1/widgets" }, 404, "NotFound"],
    [{ path: "/apis/test.antrea.io/v2/gadgets" }, 404, "NotFound"],
    [{ path: "/nowhere" }, 404, "NotFound"],
    [{ path: "/api/v1/namespaces/%zz" }, 400, "BadRequest"],
    [{ method: "POST", path: gadgets, body: gadget("taken") }, 409, "AlreadyExists"],
    [{ method: "POST", path: gadgets, body: gadget("UPPER") }, 422, "Invalid"],
    [{ method: "POST", path: gadgets, body: gadget("x", { size: -1 }) }, 422, "Invalid"],
    [{ method: "POST", path: gadgets, body: gadget("x", { size: "big" }) }, 400, "BadRequest"],
    [{ method: "POST", path: gadgets, body: "{" }, 400, "BadRequest"],
    [{ method: "POST", path: gadgets, body: "[]" }, 400, "BadRequest"],
    [{ method: "POST", path: gadgets, body: `${"[".repeat(5_000)}${"]".repeat(5_000)}` }, 400, "BadRequest"],
    [{ method: "POST", path: gadgets, body: { ...gadget("x"), kind: "Pod" } }, 400, "BadRequest"],
    [{ method: "POST", path: gadgets, body: gadget("x", {}, { namespace: "other" }) }, 400, "BadRequest"],
    [{ method: "POST", path: "/apis/test.antrea.io/v1/gadgets", body: gadget("x") }, 405, "MethodNotAllowed"],
    [{ method: "POST", path: "/apis/test.antrea.io/v1/namespaces/nope/gadgets", body: gadget("x") }, 404, "NotFound"],
    [{ method: "POST", path: gadgets, body: "x", headers: { "content-type": "text/plain" } }, 415, "UnsupportedMediaType"],
    [{ method: "PATCH", path: `${gadgets}/taken`, body: "{}", headers: { "content-type": "text/plain" } }, 415, "UnsupportedMediaType"],
    [{ method: "PUT", path: `${gadgets}/taken`, body: gadget("other") }, 400, "BadRequest"],
    [{ method: "OPTIONS", path: gadgets }, 405, "MethodNotAllowed"],
    [{ path: gadgets, headers: { accept: "application/vnd.kubernetes.protobuf" } }, 406, "NotAcceptable"],
    [{ path: `${gadgets}?labelSelector=a%20b` }, 400, "BadRequest"],
    [{ path: `${gadgets}?fieldSelector=spec.size=1` }, 400, "BadRequest"],
    [{ path: `${gadgets}?limit=-1` }, 400, "BadRequest"],
    [{ path: `${gadgets}?continue=x` }, 400, "BadRequest"],
    [{ path: `${gadgets}?watch=1&resourceVersion=abc` }, 400, "BadRequest"],
    [{ method: "DELETE", path: `${gadgets}/taken?dryRun=Some` }, 400, "BadRequest"],
    [{ method: "DELETE", path: `${gadgets}/taken`, body: { preconditions: { uid: "no" } } }, 409, "Conflict"],
    [{ path: "/api/v1/namespaces", unknown: true }, 401, "Unauthorized"],
  ];
  for (const [wanted, code, reason] of cases) {
    const { body, ...answer } = await ask(wanted);
    const label = `${wanted.method ?? "GET"} ${wanted.path} ${JSON.stringify(wanted.body)?.slice(0, 60)}`;
    assert.deepEqual([answer.code, body.kind, body.reason, body.code], [code, "Status", reason, code], label);
  }
});

test("an invalid object is told every wrong field", async () => {
  const { body } = await create("wrong", { size: -1, color: "pink" }, { labels: { "a b": "c" } });
  const causes = body.details?.causes as unknown as readonly { readonly field: string; readonly reason: string }[];
  assert.deepEqual(causes.map(({ field, reason }) => `${field} ${reason}`).sort(), [
    "metadata.labels FieldValueInvalid",
    "spec.color FieldValueNotSupported",
    "spec.size FieldValueInvalid",
  ]);
  assert.match(String(body.message), /^Gadget\.test\.antrea\.io "wrong" is invalid: \[/);
});

test("a body past the bound is refused without reading it", async () => {
  const { code, body } = await create("huge", { tags: { x: "y".repeat(4 * 1024 * 1024) } });
  assert.deepEqual([code, body.reason], [413, "RequestEntityTooLarge"]);
});

test("unknown fields are dropped with a warning, refused or ignored, as asked", async () => {
  const body = { ...gadget("loose", { shape: "round" }), extra: 1 };
  const warned = await ask({ method: "POST", path: gadgets, body });
  assert.equal(warned.code, 201);
  assert.deepEqual(warned.body.spec, { size: 1 });
  assert.match(String(warned.headers.warning), /299 - "unknown field \\"spec\.shape\\""/);
  const strict = await ask({ method: "POST", path: `${gadgets}?fieldValidation=Strict`, body: { ...body, metadata: { name: "strict" } } });
  assert.deepEqual([strict.code, strict.body.message], [400, 'strict decoding error: unknown field "spec.shape", unknown field "extra"']);
  const ignored = await ask({
    method: "POST",
    path: `${gadgets}?fieldValidation=Ignore`,
    body: { ...body, metadata: { name: "ignored" } },
  });
  assert.deepEqual([ignored.code, ignored.headers.warning], [201, undefined]);
});

test("fields that a body names twice are told with a warning, refused or ignored, as asked", async () => {
  const body = (name: string): string => `{"metadata":{"name":"${name}"},"spec":{"size":1,"tags":{"a":"1","a":"2"},"size":2}}`;
  const warned = await ask({ method: "POST", path: gadgets, body: body("twice") });
  assert.deepEqual([warned.code, warned.body.spec?.size], [201, 2]);
  assert.match(String(warned.headers.warning), /duplicate field \\"spec\.tags\.a\\".*duplicate field \\"spec\.size\\"/);
  const strict = await ask({ method: "POST", path: `${gadgets}?fieldValidation=Strict`, body: body("never") });
  assert.deepEqual(
    [strict.code, strict.body.message],
    [400, 'strict decoding error: duplicate field "spec.tags.a", duplicate field "spec.size"'],
  );
  const both = await ask({
    method: "POST",
    path: `${gadgets}?fieldValidation=Strict`,
    body: '{"metadata":{"name":"n"},"odd":1,"spec":{},"spec":{}}',
  });
  assert.equal(both.body.message, 'strict decoding error: unknown field "odd", duplicate field "spec"');
  for (const type of ["merge-patch", "strategic-merge-patch"]) {
    const patched = await ask({
      method: "PATCH",
      path: `${gadgets}/twice?fieldValidation=Strict`,
      body: '{"spec":{"size":1,"size":2}}',
      headers: { "content-type": `application/${type}+json` },
    });
    const why = ' "" is invalid: patch: Invalid value: "the patched object": strict decoding error: duplicate field "spec.size"';
    assert.deepEqual([patched.code, patched.body.message], [422, why], type);
  }
  const operations =
    '[{"op":"add","path":"/odd","value":1,"foo":1},{"op":"add","path":"/x","path":"/spec/tags","value":{"b":"1","b":"2"}}]';
  const asJsonPatch = (validation: string): Promise<Answer> =>
    ask({
      method: "PATCH",
      path: `${gadgets}/twice?fieldValidation=${validation}`,
      body: operations,
      headers: { "content-type": "application/json-patch+json" },
    });
  const odd = [
    'json patch unknown field "[0].foo"',
    'json patch duplicate field "[1].path"',
    'json patch duplicate field "[1].value.b"',
    'unknown field "odd"',
  ];
  const refused = await asJsonPatch("Strict");
  assert.deepEqual([refused.code, String(refused.body.message).split("strict decoding error: ")[1]], [422, odd.join(", ")]);
  const told = await asJsonPatch("Warn");
  assert.deepEqual([told.code, told.body.spec?.tags], [200, { b: "2" }]);
  const texts = odd.map((text) => `299 - "${text.replaceAll('"', '\\"')}"`);
  assert.equal(told.headers.warning, texts.join(", "));
  assert.deepEqual([(await asJsonPatch("Ignore")).headers.warning], [undefined]);
  const ignored = await ask({ method: "POST", path: `${gadgets}?fieldValidation=Ignore`, body: body("ignored-twice") });
  assert.deepEqual([ignored.code, ignored.headers.warning], [201, undefined]);
});

test("updates need the latest version, keep what the server set, and change nothing when nothing changes", async () => {
  const { body: first } = await create("edited", { color: "green" });
  const changed = {
    ...first,
    spec: { color: "green", size: 7 },
    metadata: { ...first.metadata, uid: first.metadata?.uid, generation: 99 },
  };
  const { body: second } = await ask({ method: "PUT", path: `${gadgets}/edited`, body: changed });
  assert.deepEqual([second.spec?.size, second.metadata?.generation], [7, 2]);
  assert.equal(second.metadata?.creationTimestamp, first.metadata?.creationTimestamp);
  const stale = await ask({ method: "PUT", path: `${gadgets}/edited`, body: changed });
  assert.deepEqual([stale.code, stale.body.reason], [409, "Conflict"]);
  const same = await ask({ method: "PUT", path: `${gadgets}/edited`, body: second });
  assert.equal(same.body.metadata?.resourceVersion, second.metadata?.resourceVersion);
  const immutable = await ask({ method: "PUT", path: `${gadgets}/edited`, body: { ...second, spec: { color: "blue" } } });
  assert.deepEqual([immutable.code, immutable.body.reason], [422, "Invalid"]);
});

test("status and the rest are written apart", async () => {
  const { body: made } = await create("split", { color: "red" });
  assert.equal(made.status, undefined);
  const metadata = { ...made.metadata, annotations: { seen: "yes" }, labels: { seen: "yes" } };
  const status = { ...made, metadata, spec: { color: "blue" }, status: { ready: true } };
  const { body: written } = await ask({ method: "PUT", path: `${gadgets}/split/status`, body: status });
  assert.deepEqual([written.spec?.color, written.status, written.metadata?.generation], ["red", { ready: true }, 1]);
  assert.deepEqual([written.metadata?.annotations, written.metadata?.labels], [{ seen: "yes" }, undefined]);
  const { body: respecified } = await ask({
    method: "PATCH",
    path: `${gadgets}/split`,
    body: { spec: { size: 5 }, status: { ready: false } },
    headers: { "content-type": "application/merge-patch+json" },
  });
  assert.deepEqual([respecified.spec?.size, respecified.status], [5, { ready: true }]);
});

test("scale is a view of the replicas", async () => {
  await create("many", { size: 2 });
  const { body: scale } = await ask({ path: `${gadgets}/many/scale` });
  assert.deepEqual([scale.kind, scale.spec], ["Scale", { replicas: 2 }]);
  const { body: scaled } = await ask({ method: "PUT", path: `${gadgets}/many/scale`, body: { ...scale, spec: { replicas: 4 } } });
  assert.deepEqual(scaled.spec, { replicas: 4 });
  assert.equal((await ask({ path: `${gadgets}/many` })).body.spec?.size, 4);
  const negative = await ask({ method: "PUT", path: `${gadgets}/many/scale`, body: { spec: { replicas: -1 } } });
  assert.equal(negative.code, 422);
});

test("patches of all three types apply, and cannot rename", async () => {
  await create("patched", { tags: { a: "1", b: "2" } });
  const patch = (type: string, body: unknown): Promise<Answer> =>
    ask({ method: "PATCH", path: `${gadgets}/patched`, body, headers: { "content-type": `application/${type}+json` } });
  assert.deepEqual((await patch("merge-patch", { spec: { tags: { a: null } } })).body.spec?.tags, { b: "2" });
  assert.deepEqual((await patch("json-patch", [{ op: "add", path: "/spec/tags/c", value: "3" }])).body.spec?.tags, { b: "2", c: "3" });
  assert.deepEqual((await patch("strategic-merge-patch", { metadata: { labels: { l: "v" } } })).body.metadata?.labels, { l: "v" });
  assert.equal((await patch("json-patch", [{ op: "test", path: "/spec/size", value: 99 }])).code, 422);
  assert.equal((await patch("merge-patch", { metadata: { name: "renamed" } })).code, 400);
  assert.equal((await patch("merge-patch", { metadata: { resourceVersion: "1" } })).code, 409);
});

test("a dry run answers as the write would, and writes nothing", async () => {
  const dry = await ask({ method: "POST", path: `${gadgets}?dryRun=All`, body: gadget("dry") });
  assert.deepEqual([dry.code, dry.body.spec], [201, { size: 1 }]);
  assert.equal((await ask({ path: `${gadgets}/dry` })).code, 404);
  await create("wet");
  await ask({ method: "DELETE", path: `${gadgets}/wet?dryRun=All` });
  assert.equal((await ask({ path: `${gadgets}/wet` })).code, 200);
});

test("deletion waits for finalizers and grace, and is final after", async () => {
  const path = `${gadgets}/held`;
  await create("held", {}, { finalizers: ["test.antrea.io/hold"] });
  const marked = await ask({ method: "DELETE", path });
  assert.ok(marked.body.metadata?.deletionTimestamp);
  const adding = { metadata: { finalizers: ["test.antrea.io/hold", "test.antrea.io/more"] } };
  const headers = { "content-type": "application/merge-patch+json" };
  assert.equal((await ask({ method: "PATCH", path, body: adding, headers })).code, 422);
  await ask({ method: "PATCH", path, body: { metadata: { finalizers: null } }, headers });
  assert.equal((await ask({ path })).code, 404);

  await create("graceful", { node: "n1" });
  const waiting = await ask({ method: "DELETE", path: `${gadgets}/graceful` });
  assert.equal(waiting.body.metadata?.deletionGracePeriodSeconds, 30);
  const ended = await ask({ method: "DELETE", path: `${gadgets}/graceful`, body: { gracePeriodSeconds: 0 } });
  assert.deepEqual([ended.body.kind, ended.body.status], ["Status", "Success"]);
  assert.equal((await ask({ path: `${gadgets}/graceful` })).code, 404);
});

test("foreground and orphan deletion leave marks for the garbage collector", async () => {
  for (const [policy, finalizer] of [
    ["Foreground", "foregroundDeletion"],
    ["Orphan", "orphan"],
  ]) {
    await create(`gc-${finalizer?.toLowerCase()}`);
    const { body } = await ask({
      method: "DELETE",
      path: `${gadgets}/gc-${finalizer?.toLowerCase()}`,
      body: { propagationPolicy: policy },
    });
    assert.deepEqual(body.metadata?.finalizers, [finalizer]);
  }
});

test("lists come in parts that belong to one moment, whatever is written in between", async () => {
  for (const name of ["p1", "p2", "p3", "p4", "p5"]) await create(name, {}, { labels: { paged: "yes" } });
  const path = `${gadgets}?labelSelector=paged%3Dyes&limit=2`;
  const names: string[] = [];
  let token = "";
  let version = "";
  do {
    const { body } = await ask({ path: token === "" ? path : `${path}&continue=${token}` });
    names.push(...(body.items as unknown as { metadata: { name: string } }[]).map(({ metadata }) => metadata.name));
    version ||= String(body.metadata?.resourceVersion);
    assert.equal(body.metadata?.resourceVersion, version);
    token = String(body.metadata?.continue ?? "");
    await ask({ method: "DELETE", path: `${gadgets}/p4` });
    await create("p3-late", {}, { labels: { paged: "yes" } });
  } while (token !== "");
  assert.deepEqual(names, ["p1", "p2", "p3", "p4", "p5"]);
});

test("selectors narrow lists, by labels and by fields", async () => {
  await create("s1", { node: "n1" }, { labels: { tier: "a" } });
  await create("s2", { node: "n2" }, { labels: { tier: "b" } });
  const names = async (query: string): Promise<string[]> => {
    const { body } = await ask({ path: `${gadgets}?${query}` });
    return (body.items as unknown as { metadata: { name: string } }[]).map(({ metadata }) => metadata.name);
  };
  assert.deepEqual(await names("labelSelector=tier%20in%20(a,b)&fieldSelector=spec.node%3Dn2"), ["s2"]);
  assert.deepEqual(await names("labelSelector=tier%2Ctier!%3Db"), ["s1"]);
  assert.deepEqual(await names("fieldSelector=metadata.name%3Ds1"), ["s1"]);
});

test("deletecollection removes what is selected", async () => {
  await create("c1", {}, { labels: { sweep: "1" } });
  await create("c2", {}, { labels: { sweep: "1" } });
  await create("c3");
  const { body } = await ask({ method: "DELETE", path: `${gadgets}?labelSelector=sweep%3D1` });
  assert.equal((body.items as unknown as unknown[]).length, 2);
  assert.deepEqual([(await ask({ path: `${gadgets}/c1` })).code, (await ask({ path: `${gadgets}/c3` })).code], [404, 200]);
});

test("generateName makes different names", async () => {
  const made = await Promise.all([1, 2, 3].map(() => ask({ method: "POST", path: gadgets, body: { metadata: { generateName: "gen-" } } })));
  const names = made.map(({ body }) => String(body.metadata?.name));
  assert.equal(new Set(names).size, 3);
  for (const name of names) assert.match(name, /^gen-[a-z0-9]{5}$/);
});

test("a namespace is labelled with its name, refuses content while it goes, and goes when its content is declared gone", async () => {
  const path = "/api/v1/namespaces/going";
  const { body: made } = await ask({ method: "POST", path: "/api/v1/namespaces", body: { metadata: { name: "going" } } });
  assert.deepEqual(made.metadata?.labels, { "kubernetes.io/metadata.name": "going" });
  assert.deepEqual([made.spec, made.status], [{ finalizers: ["kubernetes"] }, { phase: "Active" }]);
  const { body: marked } = await ask({ method: "DELETE", path });
  assert.deepEqual(marked.status, { phase: "Terminating" });
  const refused = await ask({ method: "POST", path: "/api/v1/namespaces/going/notes", body: { metadata: { name: "n" } } });
  assert.deepEqual(
    [refused.code, refused.body.details?.causes],
    [403, [{ reason: "NamespaceTerminating", message: "namespace going is being terminated", field: "metadata.namespace" }]],
  );
  await ask({ method: "PUT", path: `${path}/finalize`, body: { ...marked, spec: { finalizers: [] } } });
  assert.equal((await ask({ path })).code, 404);
  assert.equal((await ask({ method: "DELETE", path: "/api/v1/namespaces/default" })).code, 403);
});

test("tables and metadata come to those who ask for them", async () => {
  await create("tabled", { size: 3, color: "blue" }, { labels: { only: "tabled" } });
  const path = `${gadgets}?labelSelector=only%3Dtabled`;
  const table = await ask({ path, headers: { accept: "application/json;as=Table;v=v1;g=meta.k8s.io,application/json" } });
  const rows = table.body.rows as unknown as { cells: unknown[]; object: { kind: string } }[];
  assert.deepEqual([table.body.kind, rows[0]?.cells.slice(0, 2), rows[0]?.object.kind], ["Table", ["tabled", 3], "PartialObjectMetadata"]);
  const partial = await ask({ path, headers: { accept: "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io" } });
  assert.equal(partial.body.kind, "PartialObjectMetadataList");
});

test("discovery names groups, versions, kinds and subresources, in both forms", async () => {
  const { body: groups } = await ask({ path: "/apis" });
  assert.deepEqual(
    (groups.groups as unknown as { name: string }[]).map(({ name }) => name),
    ["test.antrea.io"],
  );
  const { body: list } = await ask({ path: "/apis/test.antrea.io/v1" });
  assert.deepEqual(
    (list.resources as unknown as { name: string }[]).map(({ name }) => name),
    ["gadgets", "gadgets/status", "gadgets/scale"],
  );
  const accept = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json";
  const { body: all, headers } = await ask({ path: "/apis", headers: { accept } });
  assert.equal(headers["content-type"], "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList");
  const [group] = all.items as unknown as { versions: { resources: { resource: string; subresources: unknown[] }[] }[] }[];
  assert.deepEqual(
    group?.versions[0]?.resources.map(({ resource, subresources }) => [resource, subresources.length]),
    [["gadgets", 2]],
  );
  assert.deepEqual((await ask({ path: "/api" })).body.versions, ["v1"]);
});

test("health and version need no credentials", async () => {
  for (const path of ["/healthz", "/livez", "/readyz"]) {
    const { code, text } = await ask({ path, unknown: true });
    assert.deepEqual([code, text], [200, "ok"]);
  }
  assert.match(String((await ask({ path: "/version", unknown: true })).body.gitVersion), /^v1\./);
});
