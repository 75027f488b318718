import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import fc from "fast-check";
import type { FieldTree, ManagedFieldsEntry } from "#lib/kube/types.ts";
import type { Json, JsonSchema } from "../openapi/schema.ts";
import { type Answer, type Call, call } from "../testing/http.ts";
import { startTestServer, type TestServer } from "../testing/test-server.ts";
import { widgetDefinition } from "../testing/widget-definition.ts";
import { difference, intersection, isFieldTree, pathsOf, union } from "./field-tree.ts";
import { compareFields, fieldsOf, mergeApplied, removeFields } from "./typed.ts";

let server: TestServer;
const ask = (wanted: Call): Promise<Answer> => call(server, wanted);
const widgets = "/apis/shop.antrea.io/v1/namespaces/default/widgets";
const merge = { "content-type": "application/merge-patch+json" };

before(async () => {
  server = await startTestServer({ customResources: true });
  await ask({ method: "POST", path: "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", body: widgetDefinition });
});
after(() => server.stop());

const apply = (name: string, fields: object, { manager = "tester", query = "", at = "" } = {}): Promise<Answer> =>
  ask({
    method: "PATCH",
    path: `${widgets}/${name}${at}?fieldManager=${manager}${query}`,
    body: { apiVersion: "shop.antrea.io/v1", kind: "Widget", metadata: { name }, ...fields },
    headers: { "content-type": "application/apply-patch+yaml" },
  });
const owners = ({ body }: Answer): Record<string, string[]> =>
  Object.fromEntries(
    ((body.metadata?.managedFields ?? []) as unknown as readonly ManagedFieldsEntry[]).map(
      ({ manager, operation, subresource = "", fieldsV1 }) => {
        assert.ok(isFieldTree(fieldsV1));
        return [`${manager} ${operation}${subresource}`, pathsOf(fieldsV1).sort()];
      },
    ),
  );

test("an apply makes the object, owns what it names, and a second equal one changes nothing", async () => {
  const spec = { size: 2, parts: [{ name: "wheel", side: "left", color: "red" }], addresses: ["10.0.0.1"] };
  const made = await apply("made", { metadata: { name: "made", labels: { app: "a" } }, spec });
  assert.equal(made.code, 201);
  assert.equal(made.body.spec?.limit, 100);
  const part = '.spec.parts[name="wheel",side="left"]';
  assert.deepEqual(owners(made), {
    "tester Apply": [
      ".metadata.labels.app",
      '.spec.addresses[="10.0.0.1"]',
      part,
      `${part}.color`,
      `${part}.name`,
      `${part}.side`,
      ".spec.size",
    ].sort(),
  });
  const again = await apply("made", { metadata: { name: "made", labels: { app: "a" } }, spec });
  assert.deepEqual([again.code, again.body.metadata?.resourceVersion], [200, made.body.metadata?.resourceVersion]);
});

test("what the next apply no longer names goes, unless somebody else owns it", async () => {
  await apply("shrinks", {
    spec: {
      size: 1,
      port: 80,
      sold: true,
      open: { a: 1, b: 2 },
      parts: [{ name: "a" }, { name: "b" }],
      addresses: ["10.0.0.1", "10.0.0.2"],
    },
  });
  await apply("shrinks", { spec: { sold: true, parts: [{ name: "b" }] } }, { manager: "other" });
  const { code, body } = await apply("shrinks", { spec: { size: 1, open: { b: 2 }, addresses: ["10.0.0.2"] } });
  assert.equal(code, 200);
  assert.deepEqual(body.spec, {
    size: 1,
    limit: 100,
    sold: true,
    open: { b: 2 },
    parts: [{ name: "b", side: "left" }],
    addresses: ["10.0.0.2"],
  } as unknown);
});

test("a field that another manager has set is a conflict; force takes it over; equal values are shared", async () => {
  await apply("fought", { spec: { size: 5, note: "x" } });
  await ask({ method: "PATCH", path: `${widgets}/fought?fieldManager=editor`, body: { spec: { size: 6 } }, headers: merge });
  const refused = await apply("fought", { spec: { size: 7, note: "x" } });
  assert.deepEqual([refused.code, refused.body.reason], [409, "Conflict"]);
  assert.match(
    String(refused.body.message),
    /^Apply failed with 1 conflict: conflict with "editor" using shop\.antrea\.io\/v1 at .*: \.spec\.size$/,
  );
  assert.deepEqual(
    ((refused.body.details?.causes ?? []) as unknown as readonly { field: string; reason: string }[]).map(
      ({ field, reason }) => `${reason} ${field}`,
    ),
    ["FieldManagerConflict .spec.size"],
  );
  const shared = await apply("fought", { spec: { size: 6, note: "x" } });
  assert.deepEqual(owners(shared), { "editor Update": [".spec.size"], "tester Apply": [".spec.note", ".spec.size"] });
  const forced = await apply("fought", { spec: { size: 8, note: "x" } }, { query: "&force=true" });
  assert.deepEqual([forced.body.spec?.size, owners(forced)], [8, { "tester Apply": [".spec.note", ".spec.size"] }]);
});

test("plain writes take fields from appliers, and status has owners of its own", async () => {
  await apply("mixed", { spec: { size: 1, note: "a" } });
  const edited = await ask({
    method: "PATCH",
    path: `${widgets}/mixed?fieldManager=editor`,
    body: { spec: { note: "b" } },
    headers: merge,
  });
  assert.deepEqual(owners(edited), { "tester Apply": [".spec.size"], "editor Update": [".spec.note"] });
  const status = await apply("mixed", { status: { ready: true }, spec: { size: 99 } }, { at: "/status", manager: "kubelet" });
  assert.deepEqual([status.code, status.body.status, status.body.spec?.size], [200, { ready: true }, 1]);
  assert.deepEqual(owners(status)["kubelet Applystatus"], [".status.ready"]);
  const withStatus = await apply("mixed", { spec: { size: 1 }, status: { ready: false } });
  assert.deepEqual(withStatus.body.status, { ready: true });
  const removed = await ask({
    method: "PATCH",
    path: `${widgets}/mixed?fieldManager=editor`,
    body: { spec: { note: null } },
    headers: merge,
  });
  assert.equal(owners(removed)["editor Update"], undefined);
});

test("owners can be moved by the client, as kubectl does when it turns to applying on the server", async () => {
  await ask({
    method: "POST",
    path: `${widgets}?fieldManager=kubectl-client-side-apply`,
    body: { metadata: { name: "moved" }, spec: { size: 1, note: "a" } },
  });
  const before = (await ask({ path: `${widgets}/moved` })).body;
  const entries = before.metadata?.managedFields as unknown as ManagedFieldsEntry[];
  const moved = entries.map((entry) => ({ ...entry, manager: "kubectl", operation: "Apply" }));
  const patch = [{ op: "replace", path: "/metadata/managedFields", value: moved }];
  await ask({ method: "PATCH", path: `${widgets}/moved`, body: patch, headers: { "content-type": "application/json-patch+json" } });
  const applied = await apply("moved", { spec: { size: 2 } }, { manager: "kubectl" });
  assert.deepEqual([applied.code, applied.body.spec?.size, applied.body.spec?.note], [200, 2, undefined]);
});

test("kubectl does not stand in its own way when it turns from applying on the client; others, and what was changed since, do", async () => {
  const config = { apiVersion: "shop.antrea.io/v1", kind: "Widget", metadata: { name: "turned" }, spec: { size: 1, note: "a" } };
  const annotations = { "kubectl.kubernetes.io/last-applied-configuration": JSON.stringify(config) };
  await ask({
    method: "POST",
    path: `${widgets}?fieldManager=kubectl-client-side-apply`,
    body: { ...config, metadata: { name: "turned", annotations } },
  });
  assert.equal((await apply("turned", { spec: { size: 2, note: "a" } })).code, 409);
  const turned = await apply("turned", { spec: { size: 2, note: "a" } }, { manager: "kubectl" });
  assert.deepEqual([turned.code, turned.body.spec?.size], [200, 2]);
  await ask({ method: "PATCH", path: `${widgets}/turned?fieldManager=editor`, body: { spec: { note: "b" } }, headers: merge });
  assert.equal((await apply("turned", { spec: { size: 2, note: "c" } }, { manager: "kubectl" })).code, 409);
});

test("an apply without a manager, of another kind, with owners or of unknown fields is refused or told", async () => {
  const path = `${widgets}/wrong?fieldManager=tester`;
  const headers = { "content-type": "application/apply-patch+yaml" };
  const body = { apiVersion: "shop.antrea.io/v1", kind: "Widget", metadata: { name: "wrong" }, spec: { size: 1 } };
  const cases: readonly [Call, number, RegExp][] = [
    [{ method: "PATCH", path: `${widgets}/wrong`, body, headers }, 422, /fieldManager: Required value/],
    [{ method: "PATCH", path, body: { ...body, kind: "Gadget" }, headers }, 400, /kind: Widget/],
    [
      { method: "PATCH", path, body: { ...body, metadata: { name: "wrong", managedFields: [] } }, headers },
      400,
      /managedFields must be nil/,
    ],
    [{ method: "PATCH", path, body: "a: b: c", headers }, 400, /error decoding YAML/],
    [
      { method: "PATCH", path: `${path}&fieldValidation=Strict`, body: "a: 1\nb: 1\na: 2", headers },
      400,
      /error strict decoding YAML.*\n {2}line 3: key "a" already set in map/,
    ],
    [{ method: "PATCH", path, body: { ...body, metadata: { name: "other" } }, headers }, 400, /does not match the name/],
    [{ method: "PATCH", path, body: { ...body, metadata: { name: "wrong", uid: "x" } }, headers }, 409, /uid mismatch/],
    [
      { method: "PATCH", path: `${path}&fieldValidation=Strict`, body: { ...body, spec: { size: 1, odd: 1 } }, headers },
      400,
      /\.spec\.odd: field not declared in schema/,
    ],
  ];
  for (const [wanted, code, message] of cases) {
    const answer = await ask(wanted);
    assert.deepEqual([answer.code, message.test(String(answer.body.message))], [code, true], `${message}: ${answer.text}`);
  }
  assert.equal((await ask({ path: `${widgets}/wrong` })).code, 404);
  const tried = await ask({
    method: "PATCH",
    path: `${path}&dryRun=All`,
    body: "apiVersion: shop.antrea.io/v1\nkind: Widget\nspec: {size: 3}\n",
    headers,
  });
  assert.deepEqual([tried.code, tried.body.spec?.size, tried.body.metadata?.name], [201, 3, "wrong"]);
  assert.equal((await ask({ path: `${widgets}/wrong` })).code, 404);
});

const treeSchema: JsonSchema = {
  type: "object",
  properties: {
    a: {
      type: "object",
      properties: { b: { type: "string" }, c: { type: "array", "x-kubernetes-list-type": "set", items: { type: "string" } } },
    },
    list: {
      type: "array",
      "x-kubernetes-list-type": "map",
      "x-kubernetes-list-map-keys": ["k"],
      items: { type: "object", properties: { k: { type: "string" }, v: { type: "integer" } } },
    },
    whole: { type: "array", items: { type: "string" } },
  },
};
const letter = fc.constantFrom("x", "y", "z");
const objects: fc.Arbitrary<Json> = fc.record(
  {
    a: fc.record({ b: letter, c: fc.uniqueArray(letter, { maxLength: 3 }) }, { requiredKeys: [], noNullPrototype: true }),
    list: fc.uniqueArray(fc.record({ k: letter, v: fc.integer({ min: 0, max: 2 }) }, { requiredKeys: ["k"], noNullPrototype: true }), {
      selector: ({ k }) => k,
      maxLength: 3,
    }),
    whole: fc.array(letter, { maxLength: 2 }),
  },
  { requiredKeys: [], noNullPrototype: true },
) as unknown as fc.Arbitrary<Json>;
const paths = (tree: FieldTree | undefined): string[] => (tree === undefined ? [] : pathsOf(tree).sort());

test("sets of fields: what changed is what an object has now and had not, merging keeps the rest, removing everything leaves nothing", () => {
  fc.assert(
    fc.property(objects, objects, (before, after) => {
      const { changed, removed } = compareFields(before, after, treeSchema);
      const [was, is] = [fieldsOf(before, treeSchema), fieldsOf(after, treeSchema)];
      assert.deepEqual(paths(difference(changed, is)), []);
      assert.deepEqual(paths(difference(is, union(was, changed))), []);
      assert.deepEqual(paths(intersection(removed, difference(is, was))), []);
      assert.deepEqual(compareFields(before, before, treeSchema), { changed: undefined, removed: undefined });
      const merged = mergeApplied(before, after, treeSchema);
      // an empty list or object is merged with what is there
      assert.deepEqual(paths(difference(is, fieldsOf(merged, treeSchema), { withParents: true })), []);
      assert.deepEqual(mergeApplied(merged, after, treeSchema), merged);
      if (is !== undefined && Object.keys(is).length > 0)
        assert.equal(removeFields(after, treeSchema, { fields: is, kept: undefined }), undefined);
    }),
  );
});

test("wide sets, taken away name by name or gone through, are the sets that they are when narrow", () => {
  const numbers = fc.uniqueArray(fc.integer({ min: 0, max: 199 }), { maxLength: 200 });
  const treeOf = (names: readonly number[]): FieldTree => fieldsOf(Object.fromEntries(names.map((name) => [`n${name}`, 1])), {});
  const textOf = (names: Iterable<number>): string[] => [...names].map((name) => `.n${name}`).sort();
  fc.assert(
    fc.property(numbers, numbers, (one, other) => {
      const [left, right] = [new Set(one), new Set(other)];
      const [ours, theirs] = [treeOf(one), treeOf(other)];
      assert.deepEqual(paths(union(ours, theirs)), textOf(left.union(right)));
      assert.deepEqual(paths(difference(ours, theirs)), textOf(left.difference(right)));
      assert.deepEqual(paths(intersection(ours, theirs)), textOf(left.intersection(right)));
      assert.equal(pathsOf(ours, 5).length, Math.min(5, left.size));
    }),
  );
});
