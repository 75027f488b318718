import type { ResourceDefinition } from "../resource.ts";
import { kindSchema, listMeta } from "./meta.ts";
import { list, part, string, use } from "./build.ts";
import type { Json, JsonObject, JsonSchema } from "./schema.ts";

/** OpenAPI 2 (Swagger) or OpenAPI 3.0: they differ in references and in what a number-or-string is. */
export type Dialect = "v2" | "v3";

/** The schema documents of a set of kinds, by name, with references between them. */
export type Components = ReadonlyMap<string, JsonObject>;

const prefix: Readonly<Record<Dialect, string>> = { v2: "#/definitions/", v3: "#/components/schemas/" };

export const referenceTo = (id: string, dialect: Dialect): JsonObject => ({ $ref: `${prefix[dialect]}${id}` });

/** The name a kind is published under. */
export function idOf({ group, version, kind, schema }: ResourceDefinition): string {
  return schema?.$id ?? [...(group === "" ? ["core"] : group.split(".").toReversed()), version, kind].join(".");
}

export const listIdOf = (definition: ResourceDefinition): string => `${idOf(definition)}List`;

/** Every schema that the kinds and their lists need, each once. `more` are parts that no kind refers to. */
export function componentsOf(definitions: readonly ResourceDefinition[], dialect: Dialect, more: readonly JsonSchema[] = []): Components {
  const components = new Map<string, JsonObject>();
  const add = (schema: JsonSchema): void => {
    const id = schema.$id;
    if (id === undefined || components.has(id)) return;
    components.set(id, {});
    components.set(id, translate(schema.$shared ?? schema, { dialect, add, top: true }));
  };
  for (const definition of definitions) {
    const own = schemaOf(definition);
    add(own);
    if (definition.verbs.includes("list")) add(listSchema(definition, own));
  }
  for (const schema of more) add(schema);
  return new Map([...components].sort(([left], [right]) => (left < right ? -1 : 1)));
}

function schemaOf(definition: ResourceDefinition): JsonSchema {
  const { group, version, kind, schema } = definition;
  const gvk = { "x-kubernetes-group-version-kind": [{ group, version, kind }] };
  if (schema?.$id !== undefined) return { ...schema, ...gvk };
  const { metadata: _metadata, apiVersion: _apiVersion, kind: _kind, ...fields } = schema?.properties ?? {};
  const full = kindSchema({
    id: idOf(definition),
    group,
    version,
    kind,
    description: schema?.description ?? "",
    fields,
    required: schema?.required ?? [],
  });
  return schema === undefined ? { ...full, "x-kubernetes-preserve-unknown-fields": true } : full;
}

function listSchema(definition: ResourceDefinition, item: JsonSchema): JsonSchema {
  const { group, version, kind, listKind } = definition;
  const fields = {
    apiVersion: string("Version of the schema that the list is written in."),
    kind: string("Kind of the list."),
    metadata: use(listMeta, "Metadata of the list."),
    items: list(item, "The objects."),
  };
  const schema = part(listIdOf(definition), `A list of objects of kind ${kind}.`, fields, ["items"]);
  return { ...schema, "x-kubernetes-group-version-kind": [{ group, version, kind: listKind }] };
}

interface Translation {
  readonly dialect: Dialect;
  readonly add: (schema: JsonSchema) => void;
  /** The definition itself rather than a use of it. */
  readonly top?: boolean;
}

function translate(schema: JsonSchema, { dialect, add, top = false }: Translation): JsonObject {
  if (schema.$id !== undefined && !top) {
    add(schema);
    return reference(schema, schema.$id, dialect);
  }
  const inner = (one: JsonSchema): JsonObject => translate(one, { dialect, add });
  const { $id: _id, $use: _use, $shared: _shared, properties, items, additionalProperties, nullable, type, ...rest } = schema;
  const { oneOf: _oneOf, anyOf: _anyOf, allOf, not: _not, "x-kubernetes-int-or-string": intOrString, ...plain } = rest;
  return {
    ...(plain as JsonObject),
    ...typeOf(schema, dialect),
    ...(properties === undefined
      ? {}
      : { properties: Object.fromEntries(Object.entries(properties).map(([name, one]) => [name, inner(one)])) }),
    ...(items === undefined ? {} : { items: inner(items) }),
    ...(additionalProperties === undefined
      ? {}
      : { additionalProperties: typeof additionalProperties === "boolean" ? additionalProperties : inner(additionalProperties) }),
    ...(dialect === "v3" && nullable ? { nullable: true } : {}),
    ...(allOf === undefined ? {} : { allOf: allOf.map(inner) }),
  };
}

function reference(schema: JsonSchema, id: string, dialect: Dialect): JsonObject {
  const target = referenceTo(id, dialect);
  const extensions = Object.fromEntries(Object.entries(schema).filter(([name]) => name.startsWith("x-kubernetes-patch-")));
  const beside: Record<string, Json> = { ...extensions, ...(schema.$use === undefined ? {} : { description: schema.$use }) };
  if (Object.keys(beside).length === 0) return target;
  // OpenAPI 3.0 ignores what stands beside a reference.
  return dialect === "v2" ? { ...beside, ...target } : { ...beside, allOf: [target] };
}

function typeOf({ type, "x-kubernetes-int-or-string": either, format }: JsonSchema, dialect: Dialect): JsonObject {
  if (!either) return type === undefined ? {} : { type };
  if (dialect === "v2") return { type: "string" };
  return { oneOf: [{ type: format === "int-or-string" ? "integer" : "number" }, { type: "string" }] };
}
