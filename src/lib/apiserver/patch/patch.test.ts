import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import type { JsonObject, JsonSchema } from "../openapi/schema.ts";
import { applyPatch, InvalidPatch, PatchError, PatchNotApplicable, PatchTooLarge, type PatchType, patchTypeOf } from "./index.ts";

const schema: JsonSchema = {
  type: "object",
  properties: {
    containers: {
      type: "array",
      "x-kubernetes-patch-strategy": "merge",
      "x-kubernetes-patch-merge-key": "name",
      items: {
        type: "object",
        properties: {
          args: { type: "array", items: { type: "string" } },
          env: { type: "array", "x-kubernetes-patch-strategy": "merge", "x-kubernetes-patch-merge-key": "name", items: { type: "object" } },
        },
      },
    },
    volumes: {
      type: "array",
      "x-kubernetes-patch-strategy": "merge,retainKeys",
      "x-kubernetes-patch-merge-key": "name",
      items: { type: "object" },
    },
    strategy: { type: "object", "x-kubernetes-patch-strategy": "retainKeys" },
    finalizers: { type: "array", "x-kubernetes-patch-strategy": "merge", items: { type: "string" } },
  },
};

const patched = (type: PatchType, original: JsonObject, patch: unknown): JsonObject =>
  applyPatch({ type, original, patch, definition: { schema } });

describe("JSON patch", () => {
  const cases: [what: string, original: JsonObject, operations: unknown, expected: JsonObject][] = [
    ["adds a field", { a: 1 }, [{ op: "add", path: "/b", value: 2 }], { a: 1, b: 2 }],
    ["inserts into a list", { a: [1, 3] }, [{ op: "add", path: "/a/1", value: 2 }], { a: [1, 2, 3] }],
    ["appends with -", { a: [1] }, [{ op: "add", path: "/a/-", value: 2 }], { a: [1, 2] }],
    ["removes", { a: { b: 1, c: 2 } }, [{ op: "remove", path: "/a/b" }], { a: { c: 2 } }],
    ["removes from a list", { a: [1, 2, 3] }, [{ op: "remove", path: "/a/1" }], { a: [1, 3] }],
    ["replaces", { a: [1, 2] }, [{ op: "replace", path: "/a/0", value: null }], { a: [null, 2] }],
    [
      "makes a field that a replacement misses, as Kubernetes does",
      { a: {} },
      [{ op: "replace", path: "/a/b", value: 1 }],
      { a: { b: 1 } },
    ],
    ["does nothing for null, which Go writes for no operations", { a: 1 }, null, { a: 1 }],
    ["moves", { a: { b: 1 } }, [{ op: "move", from: "/a/b", path: "/c" }], { a: {}, c: 1 }],
    ["copies", { a: [1] }, [{ op: "copy", from: "/a", path: "/a/0" }], { a: [[1], 1] }],
    ["unescapes pointers", { "a/b": { "~": 1 } }, [{ op: "replace", path: "/a~1b/~0", value: 2 }], { "a/b": { "~": 2 } }],
    ["replaces the whole", { a: 1 }, [{ op: "replace", path: "", value: { b: 1 } }], { b: 1 }],
    [
      "tests whatever the order of fields",
      { a: { x: 1, y: [2] } },
      [{ op: "test", path: "/a", value: { y: [2], x: 1 } }],
      { a: { x: 1, y: [2] } },
    ],
  ];
  for (const [what, original, operations, expected] of cases)
    it(what, () => assert.deepEqual(patched("json", original, operations), expected));

  const refused: [what: string, operations: unknown, error: typeof InvalidPatch | typeof PatchNotApplicable][] = [
    ["a failed test", [{ op: "test", path: "/a", value: 2 }], PatchNotApplicable],
    ["a missing path", [{ op: "remove", path: "/b" }], PatchNotApplicable],
    ["an index past the end", [{ op: "add", path: "/list/9", value: 1 }], PatchNotApplicable],
    ["a replacement past the end", [{ op: "replace", path: "/list/1", value: 1 }], PatchNotApplicable],
    ["a leading zero", [{ op: "replace", path: "/list/00", value: 1 }], PatchNotApplicable],
    ["a move into itself", [{ op: "move", from: "/o", path: "/o/p" }], PatchNotApplicable],
    ["what leaves no object", [{ op: "replace", path: "", value: 3 }], PatchNotApplicable],
    ["an unknown operation", [{ op: "merge", path: "/a" }], InvalidPatch],
    ["a missing value", [{ op: "add", path: "/a" }], InvalidPatch],
    ["an object", { op: "add" }, InvalidPatch],
    ["a relative pointer", [{ op: "remove", path: "a" }], InvalidPatch],
  ];
  for (const [what, operations, error] of refused)
    it(`refuses ${what}`, () => assert.throws(() => patched("json", { a: 1, list: [1], o: {} }, operations), error));

  it("leaves the original alone and lets nothing into the prototype", () => {
    const original: JsonObject = { a: { b: [1] } };
    const result = patched("json", original, [
      { op: "add", path: "/a/b/-", value: 2 },
      { op: "add", path: "/__proto__", value: { polluted: true } },
    ]);
    assert.deepEqual(original, { a: { b: [1] } });
    assert.equal(Object.getPrototypeOf(result), Object.prototype);
    assert.equal((result as { polluted?: unknown }).polluted, undefined);
  });

  it("stops a patch that doubles an object over and over", () => {
    const doubling = Array.from({ length: 60 }, (_, step) => ({ op: "copy", from: "/a", path: `/a/${step}` }));
    assert.throws(() => patched("json", { a: [] }, [{ op: "add", path: "/a/-", value: "0123456789" }, ...doubling]), PatchTooLarge);
  });

  it("stops a patch that inserts into a long list over and over", () => {
    const operations = Array.from({ length: 10_000 }, () => ({ op: "add", path: "/a/0", value: 1 }));
    assert.throws(() => patched("json", { a: Array<number>(100_000).fill(0) }, operations), PatchTooLarge);
  });
});

describe("JSON merge patch", () => {
  it("merges objects, removes with null, replaces lists (RFC 7396 §3)", () => {
    const original = { title: "Goodbye!", author: { givenName: "John", familyName: "Doe" }, tags: ["example", "sample"], content: "x" };
    const patch = { title: "Hello!", phone: "1", author: { familyName: null }, tags: ["example"] };
    assert.deepEqual(patched("merge", original, patch), {
      title: "Hello!",
      author: { givenName: "John" },
      tags: ["example"],
      content: "x",
      phone: "1",
    });
  });
  it("drops nulls of new objects", () => assert.deepEqual(patched("merge", {}, { a: { b: { c: null } } }), { a: { b: {} } }));
  it("refuses a list", () => assert.throws(() => patched("merge", {}, []), InvalidPatch));
});

describe("strategic merge patch", () => {
  const web = { name: "web", image: "web:1", args: ["a"] };
  const sidecar = { name: "sidecar", image: "s:1" };
  const cases: [what: string, original: JsonObject, patch: JsonObject, expected: JsonObject][] = [
    [
      "merges by key",
      { containers: [web, sidecar] },
      { containers: [{ name: "sidecar", image: "s:2" }] },
      { containers: [web, { ...sidecar, image: "s:2" }] },
    ],
    ["puts what is new first, as Kubernetes does", { containers: [web] }, { containers: [sidecar] }, { containers: [sidecar, web] }],
    [
      "replaces lists without a strategy",
      { containers: [web] },
      { containers: [{ name: "web", args: ["b"] }] },
      { containers: [{ ...web, args: ["b"] }] },
    ],
    ["deletes by key", { containers: [web, sidecar] }, { containers: [{ $patch: "delete", name: "web" }] }, { containers: [sidecar] }],
    ["replaces a whole list", { containers: [web] }, { containers: [sidecar, { $patch: "replace" }] }, { containers: [sidecar] }],
    ["replaces a whole object", { strategy: { a: 1 } }, { strategy: { $patch: "replace", b: 2 } }, { strategy: { b: 2 } }],
    ["removes with null", { strategy: { a: 1, b: 2 } }, { strategy: { a: null } }, { strategy: { b: 2 } }],
    [
      "drops nulls and directives of what is new",
      {},
      { strategy: { a: null, b: { $retainKeys: ["c"], c: 1 } } },
      { strategy: { b: { c: 1 } } },
    ],
    ["joins scalars as a set", { finalizers: ["a", "b"] }, { finalizers: ["b", "c"] }, { finalizers: ["a", "b", "c"] }],
    ["deletes scalars", { finalizers: ["a", "b"] }, { "$deleteFromPrimitiveList/finalizers": ["a"] }, { finalizers: ["b"] }],
    [
      "retains keys",
      { strategy: { type: "RollingUpdate", rollingUpdate: { maxSurge: 1 } } },
      { strategy: { $retainKeys: ["type"], type: "Recreate" } },
      { strategy: { type: "Recreate" } },
    ],
    [
      "retains keys of elements",
      { volumes: [{ name: "v", emptyDir: {} }] },
      { volumes: [{ name: "v", $retainKeys: ["name", "hostPath"], hostPath: { path: "/x" } }] },
      { volumes: [{ name: "v", hostPath: { path: "/x" } }] },
    ],
    [
      "orders elements and keeps those of others in their place",
      { containers: [{ name: "a" }, { name: "other" }, { name: "b" }] },
      { "$setElementOrder/containers": [{ name: "c" }, { name: "b" }, { name: "a" }], containers: [{ name: "c" }] },
      { containers: [{ name: "c" }, { name: "other" }, { name: "b" }, { name: "a" }] },
    ],
    ["orders without other changes", { finalizers: ["a", "b"] }, { "$setElementOrder/finalizers": ["b", "a"] }, { finalizers: ["b", "a"] }],
    ["merges what no schema knows", { extra: { a: 1, l: [1] } }, { extra: { b: 2, l: [2] } }, { extra: { a: 1, b: 2, l: [2] } }],
  ];
  for (const [what, original, patch, expected] of cases) it(what, () => assert.deepEqual(patched("strategic", original, patch), expected));

  const refused: [what: string, patch: JsonObject][] = [
    ["an element without its key", { containers: [{ image: "x" }] }],
    ["a scalar among objects", { containers: ["x"] }],
    ["an object among scalars", { finalizers: [{}] }],
    ["an unknown directive", { strategy: { $patch: "merge" } }],
    ["fields outside $retainKeys", { strategy: { $retainKeys: ["a"], b: 1 } }],
    ["an order that forgets an element", { "$setElementOrder/containers": [], containers: [sidecar] }],
    ["an order that is no list", { "$setElementOrder/containers": 3 }],
  ];
  for (const [what, patch] of refused)
    it(`refuses ${what}`, () => assert.throws(() => patched("strategic", { containers: [web] }, patch), InvalidPatch));
});

describe("any patch", () => {
  const directive = fc.constantFrom(
    "containers",
    "finalizers",
    "strategy",
    "name",
    "$patch",
    "$retainKeys",
    "$setElementOrder/containers",
    "a",
    "__proto__",
  );
  const json = fc.letrec((tie) => ({
    value: fc.oneof(
      { depthSize: "small" },
      fc.constantFrom(null, 1, "a", "delete", "replace", true),
      fc.array(tie("value")),
      fc.dictionary(directive, tie("value")),
    ),
  })).value;
  const object = fc.dictionary(directive, json) as fc.Arbitrary<JsonObject>;
  const operation = fc.record({
    op: fc.constantFrom("add", "remove", "replace", "move", "copy", "test", "x"),
    path: fc.constantFrom("", "/a", "/containers/0", "/containers/-", "/a/name", "/__proto__/a"),
    from: fc.constantFrom("/a", "/containers", ""),
    value: json,
  });

  it("gives an object or throws PatchError, and never changes the original", () => {
    const patches = fc.oneof(json, fc.array(operation));
    fc.assert(
      fc.property(fc.constantFrom<PatchType>("json", "merge", "strategic"), object, patches, (type, original, patch) => {
        const before = JSON.stringify(original);
        try {
          assert.equal(typeof patched(type, original, patch), "object");
        } catch (error) {
          assert.ok(error instanceof PatchError, String(error));
        }
        assert.equal(JSON.stringify(original), before);
      }),
      { numRuns: 500 },
    );
  });

  it("is idempotent when it is a merge patch", () => {
    fc.assert(
      fc.property(object, object, (original, patch) => {
        const once = patched("merge", original, patch);
        assert.deepEqual(patched("merge", once, patch), once);
      }),
    );
  });

  it("refuses nesting without end", () => {
    const deep = JSON.parse(`${'{"a":'.repeat(5_000)}1${"}".repeat(5_000)}`) as unknown;
    for (const type of ["merge", "strategic"] as const) assert.throws(() => patched(type, {}, deep), PatchTooLarge);
    assert.throws(() => patched("json", {}, [{ op: "add", path: "/a", value: deep }]), PatchTooLarge);
  });

  it("takes long lists in no time", () => {
    const containers = Array.from({ length: 20_000 }, (_, index) => ({ name: `c${index}` }));
    const result = patched("strategic", { containers }, { containers, "$setElementOrder/containers": containers.toReversed() });
    assert.deepEqual(result.containers, containers.toReversed());
  });
});

it("reads the type from the content type", () => {
  assert.equal(patchTypeOf("application/strategic-merge-patch+json; charset=utf-8"), "strategic");
  assert.equal(patchTypeOf("application/apply-patch+yaml"), undefined);
});
