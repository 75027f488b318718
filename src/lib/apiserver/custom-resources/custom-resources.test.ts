import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { systemRuntime } from "#lib/runtime/runtime.ts";
import { openSqliteStorage } from "../storage/sqlite.ts";
import { type Answer, type Call, call } from "../testing/http.ts";
import { startTestServer, type TestServer } from "../testing/test-server.ts";
import { widgetDefinition } from "../testing/widget-definition.ts";

let server: TestServer;
const ask = (wanted: Call): Promise<Answer> => call(server, wanted);
const definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
const widgets = "/apis/shop.antrea.io/v1/namespaces/default/widgets";
const widget = (name: string, spec: object) => ({ apiVersion: "shop.antrea.io/v1", kind: "Widget", metadata: { name }, spec });
const create = (name: string, spec: object, query = ""): Promise<Answer> =>
  ask({ method: "POST", path: `${widgets}${query}`, body: widget(name, spec) });
const causes = ({ body }: Answer): string[] => {
  const list = (body.details?.causes ?? []) as unknown as readonly { readonly field: string; readonly message: string }[];
  return list.map(({ field, message }) => `${field}: ${message}`);
};
const merge = { "content-type": "application/merge-patch+json" };

before(async () => {
  server = await startTestServer({ customResources: true });
  assert.equal((await ask({ method: "POST", path: definitions, body: widgetDefinition })).code, 201);
});
after(() => server.stop());

test("a definition is established at once: names, stored versions, discovery, OpenAPI", async () => {
  const { body } = await ask({ path: `${definitions}/widgets.shop.antrea.io` });
  const conditions = body.status?.conditions as unknown as readonly { readonly type: string; readonly status: string }[];
  assert.deepEqual(
    conditions.map(({ type, status }) => `${type} ${status}`),
    ["NamesAccepted True", "Established True"],
  );
  assert.deepEqual(body.status?.storedVersions, ["v1"]);
  assert.equal(body.status?.acceptedNames?.listKind, "WidgetList");
  const group = await ask({ path: "/apis/shop.antrea.io" });
  assert.equal(group.body.preferredVersion?.version, "v1");
  const resources = (await ask({ path: "/apis/shop.antrea.io/v1" })).body.resources as unknown as readonly { readonly name: string }[];
  assert.deepEqual(
    resources.map(({ name }) => name),
    ["widgets", "widgets/status", "widgets/scale"],
  );
  const document = await ask({ path: "/openapi/v3/apis/shop.antrea.io/v1" });
  assert.equal(
    document.body.components?.schemas?.["io.antrea.shop.v1.Widget"]?.properties?.spec?.properties?.size?.description,
    "How large it is.",
  );
});

test("objects get defaults, lose what the schema does not know, and keep what it leaves open", async () => {
  const { code, body, headers } = await create("full", {
    size: 2,
    port: "http",
    note: null,
    parts: [{ name: "wheel" }, { name: "wheel", side: "right" }],
    empty: { gone: 1 },
    open: { deep: { kept: 1 } },
    template: { apiVersion: "v1", kind: "Pod", metadata: { name: "x" }, spec: { kept: true } },
    unknown: 1,
  });
  assert.equal(code, 201);
  assert.deepEqual(body.spec, {
    size: 2,
    limit: 100,
    port: "http",
    note: null,
    parts: [
      { name: "wheel", side: "left" },
      { name: "wheel", side: "right" },
    ],
    empty: {},
    open: { deep: { kept: 1 } },
    template: { apiVersion: "v1", kind: "Pod", metadata: { name: "x" }, spec: { kept: true } },
  } as unknown);
  assert.match(String(headers.warning), /unknown field \\"spec\.empty\.gone\\".*unknown field \\"spec\.unknown\\"/);
  const strict = await create("strict", { size: 1, unknown: 1 }, "?fieldValidation=Strict");
  assert.deepEqual([strict.code, strict.body.message], [400, 'strict decoding error: unknown field "spec.unknown"']);
});

test("objects from before a default are served with it", async () => {
  const name = "before-default";
  const field = `${definitions}/widgets.shop.antrea.io`;
  const at = "/spec/versions/1/schema/openAPIV3Schema/properties/spec/properties/late";
  const change = (patch: object[]): Promise<Answer> =>
    ask({ method: "PATCH", path: field, body: patch, headers: { "content-type": "application/json-patch+json" } });
  assert.equal((await create(name, { size: 1 })).code, 201);
  assert.equal((await change([{ op: "add", path: at, value: { type: "string", default: "here" } }])).code, 200);
  assert.equal((await ask({ path: `${widgets}/${name}` })).body.spec?.late, "here");
  const list = (await ask({ path: widgets })).body.items as unknown as readonly { readonly spec: { readonly late?: string } }[];
  assert.ok(list.every(({ spec }) => spec.late === "here"));
  await change([{ op: "remove", path: at }]);
  assert.equal((await ask({ path: `${widgets}/${name}` })).body.spec?.late, undefined);
});

test("wrong values are told by path, in the words of the schema and of its rules", async () => {
  const unasked =
    '<nil>: Invalid value: "null": some validation rules were not checked because the object was invalid; correct the existing errors to complete validation';
  const cases: readonly [object, readonly string[]][] = [
    [{}, ["spec.size: Required value", unasked]],
    [{ size: "2" }, ['spec.size: Invalid value: "string": spec.size in body must be of type a 32-bit integer: "string"']],
    [{ size: 0 }, ["spec.size: Invalid value: 0: must be greater than or equal to 1", unasked]],
    [{ size: 101 }, ['spec: Invalid value: "object": size 101 is above 100']],
    [{ size: 1, note: "äöüßçé" }, ["spec.note: Too long: may not be more than 5 bytes", unasked]],
    [{ size: 1, note: "äöüßç" }, []],
    [{ size: 1, addresses: ["10.0.0.1", "10.0.0.1"] }, ['spec.addresses[1]: Duplicate value: "10.0.0.1"', unasked]],
    [{ size: 1, addresses: ["10.0.0.1", "fd00::1"] }, []],
    [{ size: 1, addresses: ["10.0.0.1/8"] }, ['spec.addresses[0]: Invalid value: "string": must be an address']],
    [
      { size: 1, parts: [{ name: "a" }, { name: "a", side: "left" }] },
      ['spec.parts[1]: Duplicate value: {"name":"a","side":"left"}', unasked],
    ],
    [{ size: 1, parts: [{ name: "A" }] }, ['spec.parts[0].name: Invalid value: "A": must match ^[a-z]+$', unasked]],
    [
      { size: 1, choice: { a: "1", b: "2" } },
      ['spec.choice: Invalid value: {"a":"1","b":"2"}: must validate one and only one schema (oneOf). Found 2 valid', unasked],
    ],
    [{ size: 1, template: { metadata: {} } }, ["spec.template.apiVersion: Required value", "spec.template.kind: Required value", unasked]],
  ];
  for (const [index, [spec, expected]] of cases.entries()) {
    const answer = await create(`case-${index}`, spec);
    assert.deepEqual([answer.code, causes(answer)], [expected.length === 0 ? 201 : 422, expected], JSON.stringify(spec));
  }
  assert.deepEqual(causes(await create("forbidden", { size: 1 })), ['<nil>: Invalid value: "object": this name is taken by the house']);
});

test("transition rules compare with the old value, also in lists that are maps; what was wrong and stays may stay", async () => {
  await create("grows", { size: 5, parts: [{ name: "wheel", color: "red" }] });
  const patch = (spec: object): Promise<Answer> => ask({ method: "PATCH", path: `${widgets}/grows`, body: { spec }, headers: merge });
  assert.deepEqual(causes(await patch({ size: 4 })), ['spec.size: Invalid value: "object": widgets only grow']);
  assert.equal((await patch({ size: 6 })).code, 200);
  assert.deepEqual(causes(await patch({ parts: [{ name: "axle" }, { name: "wheel", color: "blue" }] })), [
    'spec.parts[1].color: Invalid value: "string": color is fixed',
  ]);
  assert.equal(
    (
      await patch({
        parts: [
          { name: "axle", color: "blue" },
          { name: "wheel", color: "red" },
        ],
      })
    ).code,
    200,
  );
  const old = await ask({
    method: "POST",
    path: "/apis/shop.antrea.io/v1beta1/namespaces/default/widgets",
    body: { ...widget("loose", { size: -1 }), apiVersion: "shop.antrea.io/v1beta1" },
  });
  assert.equal(old.code, 201);
  const label = { method: "PATCH", path: `${widgets}/loose`, body: { metadata: { labels: { a: "b" } } }, headers: merge };
  assert.equal((await ask(label)).code, 200);
  assert.equal((await ask({ ...label, body: { spec: { size: -2 } } })).code, 422);
});

test("every served version reads, lists and watches the same objects; a deprecated one warns", async () => {
  await create("shared", { size: 3 });
  const path = "/apis/shop.antrea.io/v1beta1/namespaces/default/widgets";
  const { body, headers } = await ask({ path: `${path}/shared` });
  assert.deepEqual([body.apiVersion, body.spec?.size], ["shop.antrea.io/v1beta1", 3]);
  assert.match(String(headers.warning), /shop\.antrea\.io\/v1beta1 Widget is deprecated/);
  const list = (await ask({ path })).body;
  assert.deepEqual([list.apiVersion, list.kind], ["shop.antrea.io/v1beta1", "WidgetList"]);
  const watch = await ask({
    path: `${path}?watch=1&timeoutSeconds=1&fieldSelector=metadata.name=shared&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true`,
  });
  const events = watch.text
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as { type: string; object: { apiVersion: string } });
  assert.deepEqual(
    events.map(({ type, object }) => `${type} ${object.apiVersion}`),
    ["ADDED shop.antrea.io/v1beta1", "BOOKMARK shop.antrea.io/v1beta1"],
  );
  const written = await ask({ method: "PUT", path: `${path}/shared`, body: { ...body, spec: { size: 9 } } });
  assert.deepEqual([written.code, written.body.apiVersion], [200, "shop.antrea.io/v1beta1"]);
  const read = (await ask({ path: `${widgets}/shared` })).body;
  assert.deepEqual([read.apiVersion, read.spec?.size, read.metadata?.generation], ["shop.antrea.io/v1", 9, 2]);
});

test("status, scale, printed columns and selectable fields follow the definition", async () => {
  await create("shown", {
    size: 7,
    parts: [
      { name: "a", color: "red" },
      { name: "b", color: "blue" },
    ],
  });
  const status = await ask({
    method: "PATCH",
    path: `${widgets}/shown/status`,
    body: { status: { replicas: 3, more: 1 }, spec: { size: 8 } },
    headers: merge,
  });
  assert.deepEqual([status.body.status, status.body.spec?.size, status.body.metadata?.generation], [{ replicas: 3 }, 7, 1]);
  const scale = await ask({ path: `${widgets}/shown/scale` });
  assert.deepEqual([scale.body.kind, scale.body.spec?.replicas, scale.body.status?.replicas], ["Scale", 7, 3]);
  const table = await ask({
    path: `${widgets}?fieldSelector=spec.size=7`,
    headers: { accept: "application/json;as=Table;v=v1;g=meta.k8s.io" },
  });
  const { columnDefinitions, rows } = table.body as unknown as { columnDefinitions: { name: string }[]; rows: { cells: unknown[] }[] };
  assert.deepEqual(
    columnDefinitions.map(({ name }) => name),
    ["Name", "Size", "Parts", "Red", "Age"],
  );
  assert.deepEqual(
    rows.map(({ cells }) => cells.slice(0, 4)),
    [["shown", 7, "a b", "a"]],
  );
});

test("definitions that no server could serve are refused, by path", async () => {
  const version = widgetDefinition.spec.versions[1];
  const changed = (schema: object, spec: object = {}): object => ({
    metadata: { name: "things.shop.antrea.io" },
    spec: {
      ...widgetDefinition.spec,
      names: { plural: "things", kind: "Thing" },
      versions: [{ ...version, schema: { openAPIV3Schema: schema }, subresources: {}, additionalPrinterColumns: [] }],
      ...spec,
    },
  });
  const at = "spec.versions[0].schema.openAPIV3Schema";
  const object = (properties: object): object => ({ type: "object", properties });
  const rule = (text: string): object => ({
    type: "object",
    properties: { n: { type: "integer", "x-kubernetes-validations": [{ rule: text }] } },
  });
  const cases: readonly [object, RegExp][] = [
    [changed({ type: "string" }), new RegExp(`^${literally(at)}.type: Invalid value: "string": must be "object" at the root`)],
    [changed(object({ a: {} })), /properties\[a\]\.type: Required value/],
    [changed(object({ a: { type: "array" } })), /properties\[a\]\.items: Required value/],
    [changed(object({ a: { type: "string", pattern: "(" } })), /must be a valid regular expression/],
    [changed(object({ a: { $ref: "#/x" } })), /\$ref is not supported/],
    [changed(object({ a: { type: "integer", default: "x" } })), /properties\[a\]\.default: Invalid value: "x"/],
    [
      changed(object({ a: { type: "array", items: { type: "object" }, "x-kubernetes-list-type": "map" } })),
      /x-kubernetes-list-map-keys: Required value/,
    ],
    [changed(rule("self +")), /x-kubernetes-validations\[0\]\.rule: Invalid value: "self \+": compilation failed/],
    [changed(rule("self.startsWith('a')")), /compilation failed/],
    [changed(rule("self + 1")), /must evaluate to a bool/],
    [changed(rule("unknownFunction(self)")), /compilation failed/],
    [changed(object({}), { group: "things" }), /spec\.group: .*should be a domain with at least one dot/],
    [changed(object({}), { group: "x.k8s.io" }), /api-approved\.kubernetes\.io\]: Required value/],
    [changed(object({}), { scope: "Everywhere" }), /spec\.scope: Unsupported value/],
    [changed(object({}), { names: { plural: "things", kind: "Thing", listKind: "Thing" } }), /kind and listKind may not be the same/],
    [changed(object({}), { versions: [{ ...version, storage: false }] }), /exactly one version marked as storage/],
    [changed(object({}), { conversion: { strategy: "Webhook" } }), /clientConfig: Required value/],
  ];
  for (const [body, expected] of cases) {
    const { code, body: answer } = await ask({ method: "POST", path: definitions, body });
    assert.deepEqual([code, expected.test(causes({ body: answer } as Answer).join("\n"))], [422, true], `${expected}: ${answer.message}`);
  }
});

test("names that are taken leave a definition without effect until they are free", async () => {
  const { spec } = widgetDefinition;
  const body = {
    metadata: { name: "others.shop.antrea.io" },
    spec: { ...spec, names: { plural: "others", kind: "Other", shortNames: ["wd"] } },
  };
  const answer = await ask({ method: "POST", path: definitions, body });
  const conditions = answer.body.status?.conditions as unknown as readonly {
    readonly type: string;
    readonly status: string;
    readonly message: string;
  }[];
  assert.deepEqual(
    conditions.map(({ type, status }) => `${type} ${status}`),
    ["NamesAccepted False", "Established False"],
  );
  assert.match(conditions[0]?.message ?? "", /"wd" is already in use/);
  assert.equal((await ask({ path: "/apis/shop.antrea.io/v1/others" })).code, 404);
  const renamed = { metadata: { ...answer.body.metadata }, spec: { ...body.spec, names: { plural: "others", kind: "Other" } } };
  assert.equal((await ask({ method: "PUT", path: `${definitions}/others.shop.antrea.io`, body: renamed })).code, 200);
  assert.equal((await ask({ path: "/apis/shop.antrea.io/v1/others" })).code, 200);
});

test("deleting a definition deletes its objects first, waits for their finalizers, and then the kind is gone", async () => {
  const { spec } = widgetDefinition;
  const names = { plural: "leavers", kind: "Leaver" };
  await ask({ method: "POST", path: definitions, body: { metadata: { name: "leavers.shop.antrea.io" }, spec: { ...spec, names } } });
  const path = "/apis/shop.antrea.io/v1/namespaces/default/leavers";
  const leaver = { metadata: { name: "held", finalizers: ["test.antrea.io/hold"] }, spec: { size: 1 } };
  await ask({ method: "POST", path, body: leaver });
  await ask({ method: "POST", path, body: { metadata: { name: "free" }, spec: { size: 1 } } });
  assert.equal((await ask({ method: "DELETE", path: `${definitions}/leavers.shop.antrea.io` })).code, 200);
  const until = async (done: () => Promise<boolean>): Promise<void> => {
    while (!(await done())) await new Promise((resolve) => setImmediate(resolve));
  };
  await until(async () => (await ask({ path: `${path}/free` })).code === 404);
  assert.equal((await ask({ method: "POST", path, body: { metadata: { name: "late" }, spec: { size: 1 } } })).code, 405);
  await ask({ method: "PATCH", path: `${path}/held`, body: { metadata: { finalizers: null } }, headers: merge });
  await until(async () => (await ask({ path: `${definitions}/leavers.shop.antrea.io` })).code === 404);
  assert.equal((await ask({ path })).code, 404);
});

test("kinds and objects are there again after a restart", async () => {
  const folder = mkdtempSync(join(tmpdir(), "apiserver-custom-"));
  const open = () => openSqliteStorage({ file: join(folder, "objects.db"), runtime: systemRuntime({ level: "error" }) });
  try {
    const storage = open();
    const first = await startTestServer({ customResources: true, storage });
    await call(first, { method: "POST", path: definitions, body: widgetDefinition });
    await call(first, { method: "POST", path: widgets, body: widget("stays", { size: 4 }) });
    await first.stop();
    storage.close();
    const again = open();
    const second = await startTestServer({ customResources: true, storage: again });
    assert.equal((await call(second, { path: `${widgets}/stays` })).body.spec?.size, 4);
    assert.equal((await call(second, { method: "POST", path: widgets, body: widget("bad", { size: 101 }) })).code, 422);
    await second.stop();
    again.close();
  } finally {
    rmSync(folder, { recursive: true });
  }
});

const literally = (text: string): string => text.replace(/[[\]]/g, "\\$&");
