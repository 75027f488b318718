import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { JsonSchema } from "../openapi/schema.ts";
import { checkConstraints } from "./constraints.ts";
import { checkShape, mistypedText } from "./schema-check.ts";

const schema: JsonSchema = {
  type: "object",
  required: ["name"],
  properties: {
    name: { type: "string", minLength: 1, pattern: "^[a-z]+$" },
    count: { type: "integer", format: "int32", minimum: 0, maximum: 10 },
    port: { "x-kubernetes-int-or-string": true },
    mode: { type: "string", enum: ["a", "b"] },
    labels: { type: "object", additionalProperties: { type: "string" } },
    list: { type: "array", maxItems: 2, items: { type: "object", properties: { x: { type: "boolean" } } } },
    anything: { type: "object", "x-kubernetes-preserve-unknown-fields": true },
    empty: { type: "string", nullable: true },
  },
};

test("what the schema does not name is removed and told by path; null is absence", () => {
  const value = {
    name: "a",
    extra: 1,
    count: null,
    empty: null,
    list: [{ x: true, y: 2 }],
    anything: { deep: { er: null } },
    labels: { "a.b/c": "d" },
  };
  assert.deepEqual(checkShape(schema, value), { unknown: ["extra", "list[0].y"], mistyped: [] });
  assert.deepEqual(value, {
    name: "a",
    empty: null,
    list: [{ x: true }],
    anything: { deep: { er: null } },
    labels: { "a.b/c": "d" },
  } as unknown);
});

test("values of another type are told by path, with what was expected", () => {
  const value = { name: 1, count: 2.5, port: true, labels: { a: 1 }, list: {}, anything: [] };
  assert.deepEqual(checkShape(schema, value).mistyped.map(mistypedText), [
    "name: expected string, got number 1",
    "count: expected a 32-bit integer, got number 2.5",
    "port: expected integer or string, got boolean",
    "labels.a: expected string, got number 1",
    "list: expected array, got object",
    "anything: expected object, got array",
  ]);
  assert.deepEqual(checkShape(schema, { name: "a", count: 2 ** 31 }).mistyped.map(mistypedText), [
    "count: expected a 32-bit integer, got number 2147483648",
  ]);
});

test("constraints are told by path", () => {
  const value = { count: 11, mode: "c", list: [{}, {}, {}] };
  assert.deepEqual(
    checkConstraints(schema, value).map(({ type, field }) => `${type} ${field}`),
    ["FieldValueRequired name", "FieldValueInvalid count", "FieldValueNotSupported mode", "FieldValueTooMany list"],
  );
  assert.deepEqual(checkConstraints(schema, { name: "ok", count: 10, mode: "b", port: "http" }), []);
});

test("any JSON value is judged without throwing, and a second look at what is left finds nothing unknown", () => {
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 6 }), (json) => {
      const value = structuredClone(json);
      const first = checkShape(schema, value);
      checkConstraints(schema, value);
      const second = checkShape(schema, value);
      assert.deepEqual(second, { unknown: [], mistyped: first.mistyped });
    }),
  );
});
