import assert from "node:assert/strict";
import { it } from "node:test";
import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";
import { allVerbs, type ResourceDefinition } from "../resource.ts";
import { int32, kindSchema, listBy, map, part, string, use } from "./index.ts";
import { intOrString } from "./meta.ts";
import { createOpenApi, mergeV2 } from "./open-api.ts";
import type { JsonObject } from "./schema.ts";

const port = part(
  "test.v1.Port",
  "A port.",
  { number: use(intOrString, "Number or name."), protocol: string("Protocol.", { default: "TCP" }) },
  ["number"],
);
const widget: ResourceDefinition = {
  group: "test.example.com",
  version: "v1",
  resource: "widgets",
  singular: "widget",
  kind: "Widget",
  listKind: "WidgetList",
  namespaced: true,
  verbs: allVerbs,
  subresources: { status: true, scale: { specReplicas: ["spec", "size"], statusReplicas: ["status", "size"] } },
  schema: kindSchema({
    id: "test.v1.Widget",
    group: "test.example.com",
    version: "v1",
    kind: "Widget",
    description: "A widget.",
    fields: { size: int32("Its size."), labels: map(string("A label."), "Labels."), ports: listBy("number", port, "Its ports.") },
  }),
  store: "durable",
};

const at = (value: unknown, ...path: (string | number)[]): unknown =>
  path.reduce<unknown>((inner, part) => (inner as Record<string | number, unknown>)?.[part], value);

it("publishes shared parts once and refers to them in each dialect", () => {
  const api = createOpenApi([widget]);
  const v2 = api.document();
  assert.deepEqual(at(v2, "definitions", "test.v1.Widget", "properties", "ports", "items"), { $ref: "#/definitions/test.v1.Port" });
  assert.deepEqual(at(v2, "definitions", "test.v1.Port", "properties", "number"), {
    description: "Number or name.",
    $ref: "#/definitions/io.k8s.apimachinery.pkg.util.intstr.IntOrString",
  });
  assert.equal(at(v2, "definitions", "test.v1.Widget", "properties", "ports", "x-kubernetes-patch-merge-key"), "number");
  assert.deepEqual(at(v2, "definitions", "test.v1.WidgetList", "x-kubernetes-group-version-kind"), [
    { group: "test.example.com", version: "v1", kind: "WidgetList" },
  ]);
  const v3 = JSON.parse(Buffer.from(api.v3("apis/test.example.com/v1") ?? "").toString()) as JsonObject;
  assert.deepEqual(at(v3, "components", "schemas", "test.v1.Port", "properties", "number"), {
    description: "Number or name.",
    allOf: [{ $ref: "#/components/schemas/io.k8s.apimachinery.pkg.util.intstr.IntOrString" }],
  });
  assert.equal(api.v3("apis/other/v1"), undefined);
});

it("refers to nothing that it does not define", () => {
  const api = createOpenApi([widget]);
  for (const [text, defined] of [
    [Buffer.from(api.v2("json") ?? "").toString(), Object.keys(at(api.document(), "definitions") as object)],
    [Buffer.from(api.v3("apis/test.example.com/v1") ?? "").toString(), undefined],
  ] as const) {
    const names = defined ?? Object.keys(at(JSON.parse(text), "components", "schemas") as object);
    for (const [, name = ""] of text.matchAll(/"\$ref":"#\/(?:definitions|components\/schemas)\/([^"]+)"/g))
      assert.ok(names.includes(name), name);
  }
});

it("describes operations with their kind and the parameters that clients look for", () => {
  const patch = at(createOpenApi([widget]).document(), "paths", "/apis/test.example.com/v1/namespaces/{namespace}/widgets/{name}", "patch");
  assert.deepEqual(at(patch, "x-kubernetes-group-version-kind"), { group: "test.example.com", version: "v1", kind: "Widget" });
  const names = (at(patch, "parameters") as readonly { readonly name: string }[]).map(({ name }) => name);
  assert.deepEqual(names, ["body", "dryRun", "fieldManager", "fieldValidation"]);
});

it("names the document of each group and version, and makes each once", () => {
  const api = createOpenApi([widget, { ...widget, group: "", kind: "Gadget" }]);
  assert.deepEqual(api.v3Paths(), ["api/v1", "apis/test.example.com/v1"]);
  assert.equal(api.v2("protobuf"), api.v2("protobuf"));
  assert.equal(api.v3("api/v1"), api.v3("api/v1"));
});

it("merges the documents of other servers", () => {
  const merged = mergeV2({ swagger: "2.0", paths: { "/a": 1 }, definitions: { x: 1 } }, [
    { paths: { "/b": 2 }, definitions: { x: 2, y: 2 } },
  ]);
  assert.deepEqual(merged, { swagger: "2.0", paths: { "/a": 1, "/b": 2 }, definitions: { x: 1, y: 2 } });
});

/** Reads a message whose layout is not known: field number → raw values. */
function read(bytes: Uint8Array): ReadonlyMap<number, readonly Uint8Array[]> {
  const reader = new BinaryReader(bytes);
  const fields = new Map<number, Uint8Array[]>();
  while (reader.pos < reader.len) {
    const [number, type] = reader.tag();
    if (type !== WireType.LengthDelimited) reader.skip(type, number);
    else fields.set(number, [...(fields.get(number) ?? []), reader.bytes()]);
  }
  return fields;
}

const text = (bytes: Uint8Array | undefined): string => Buffer.from(bytes ?? new Uint8Array()).toString();

it("encodes the same document as protobuf", () => {
  const document = read(createOpenApi([widget]).v2("protobuf") ?? new Uint8Array());
  assert.equal(text(document.get(1)?.[0]), "2.0");
  const definitions = (read(document.get(9)?.[0] ?? new Uint8Array()).get(1) ?? []).map(read);
  const port = definitions.find((entry) => text(entry.get(1)?.[0]) === "test.v1.Port");
  const schema = read(port?.get(2)?.[0] ?? new Uint8Array());
  assert.equal(text(schema.get(4)?.[0]), "A port.");
  assert.equal(text(schema.get(19)?.[0]), "number");
  assert.deepEqual(
    read(schema.get(22)?.[0] ?? new Uint8Array())
      .get(1)
      ?.map(text),
    ["object"],
  );
  const properties = (read(schema.get(25)?.[0] ?? new Uint8Array()).get(1) ?? []).map(read);
  assert.deepEqual(
    properties.map((entry) => text(entry.get(1)?.[0])),
    ["number", "protocol"],
  );
  const kind = definitions.find((entry) => text(entry.get(1)?.[0]) === "test.v1.Widget");
  const extension = read(read(kind?.get(2)?.[0] ?? new Uint8Array()).get(31)?.[0] ?? new Uint8Array());
  assert.equal(text(extension.get(1)?.[0]), "x-kubernetes-group-version-kind");
  const value = text(read(extension.get(2)?.[0] ?? new Uint8Array()).get(2)?.[0]);
  assert.deepEqual(JSON.parse(value), [{ group: "test.example.com", version: "v1", kind: "Widget" }]);
});
