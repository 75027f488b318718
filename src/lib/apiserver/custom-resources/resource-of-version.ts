import { atOnce, inOnePart, type Parts } from "#lib/runtime/parts.ts";
import type { FieldError } from "../field-error.ts";
import { objectMeta } from "../openapi/meta.ts";
import type { JsonObject, JsonSchema } from "../openapi/schema.ts";
import { matchesPattern } from "../regular-expression.ts";
import { allVerbs, type ResourceDefinition, type ScalePaths } from "../resource.ts";
import { fieldsOfPath, firstAt, parseJsonPath } from "./json-path.ts";
import { printerColumns } from "./printer-columns.ts";
import { checkStructuralSchema } from "./structural-schema.ts";
import type { CustomResourceDefinition, CustomResourceVersion } from "./types.ts";
import { compileValidationRules, type ValidationRules } from "./validation-rules.ts";

/** What a version's schema comes to: how values are decoded, and the rules that judge them. */
interface CompiledSchema {
  readonly schema: JsonSchema;
  readonly rules: ValidationRules;
  readonly errors: readonly FieldError[];
}

/** Compiling takes milliseconds, and the same stored schema is needed when it is checked and when it is served. */
const compiled = new WeakMap<JsonSchema, CompiledSchema>();

/** Checks and compiles the schema of a version. `path` is that of the schema in its definition. */
export const compileSchema = (source: JsonSchema, path: string): CompiledSchema => atOnce(compiledSchema(source, path));

/** As {@link compileSchema}, in parts. */
export function* compiledSchema(source: JsonSchema, path: string): Parts<CompiledSchema> {
  const known = compiled.get(source);
  if (known !== undefined) return known;
  const errors = checkStructuralSchema(source, path);
  const structural = errors.length === 0;
  yield;
  const rules = structural ? yield* compileValidationRules(withMetaFields(source, embeddedMeta), path) : { rules: noRules, errors: [] };
  yield;
  const made = {
    schema: structural ? withMetaFields(closed(source), objectMetaOf(source)) : source,
    rules: rules.rules,
    errors: [...errors, ...rules.errors],
  };
  compiled.set(source, made);
  return made;
}

const noRules: ValidationRules = { findings: inOnePart(() => []) };

/** One version of a custom kind as a kind of this server. */
export function resourceOfVersion({ spec }: CustomResourceDefinition, version: CustomResourceVersion): ResourceDefinition {
  const { names, group, scope } = spec;
  const { schema, rules } = compileSchema(version.schema?.openAPIV3Schema ?? anything, "");
  const { subresources = {}, selectableFields = [] } = version;
  const scale = subresources.scale === undefined ? undefined : scalePaths(subresources.scale);
  const { plural, kind, singular = kind.toLowerCase(), listKind = `${kind}List`, shortNames, categories } = names;
  return {
    group,
    version: version.name,
    resource: plural,
    singular,
    kind,
    listKind,
    namespaced: scope === "Namespaced",
    ...(shortNames === undefined ? {} : { shortNames }),
    ...(categories === undefined ? {} : { categories }),
    verbs: allVerbs,
    schema,
    custom: { matchesPattern },
    generation: true,
    columns: printerColumns(version),
    selectableFields: Object.fromEntries(selectableFields.map(({ jsonPath }) => [jsonPath.replace(/^\./, ""), fieldReader(jsonPath)])),
    subresources: {
      ...(subresources.status === undefined ? {} : { status: true }),
      ...(scale === undefined ? {} : { scale }),
    },
    validate: (object, _context, old) => rules.findings(object as unknown as JsonObject, old as unknown as JsonObject | undefined),
    ...(version.deprecated ? { deprecationWarning: version.deprecationWarning ?? `${group}/${version.name} ${kind} is deprecated` } : {}),
    store: "durable",
  };
}

const anything: JsonSchema = { type: "object", "x-kubernetes-preserve-unknown-fields": true };

function fieldReader(jsonPath: string): (object: object) => string {
  const path = parseJsonPath(jsonPath) ?? (() => []);
  return (object) => String(firstAt(path, object) ?? "");
}

function scalePaths(scale: NonNullable<NonNullable<CustomResourceVersion["subresources"]>["scale"]>): ScalePaths {
  const selector = scale.labelSelectorPath === undefined ? undefined : fieldsOfPath(scale.labelSelectorPath);
  return {
    specReplicas: fieldsOfPath(scale.specReplicasPath) ?? [],
    statusReplicas: fieldsOfPath(scale.statusReplicasPath) ?? [],
    ...(selector === undefined ? {} : { selector }),
  };
}

/** An object whose schema names no fields has none; objects embedded in it carry the fields of every object. */
function closed(schema: JsonSchema): JsonSchema {
  const { properties, additionalProperties, items } = schema;
  const open = schema["x-kubernetes-preserve-unknown-fields"] === true || additionalProperties !== undefined;
  const inner = properties === undefined ? undefined : mapValues(properties, closed);
  const made: JsonSchema = {
    ...schema,
    ...(inner === undefined ? {} : { properties: inner }),
    ...(schema.type === "object" && inner === undefined && !open ? { properties: {} } : {}),
    ...(typeof additionalProperties === "object" ? { additionalProperties: closed(additionalProperties) } : {}),
    ...(items === undefined ? {} : { items: closed(items) }),
  };
  if (!schema["x-kubernetes-embedded-resource"]) return made;
  return { ...withMetaFields(made, objectMeta), required: [...new Set([...(made.required ?? []), "apiVersion", "kind"])] };
}

const text: JsonSchema = { type: "string" };

/** What rules may see of the metadata of objects. */
const embeddedMeta: JsonSchema = { type: "object", properties: { name: text, generateName: text } };

function withMetaFields(schema: JsonSchema, metadata: JsonSchema): JsonSchema {
  const { apiVersion = text, kind = text } = schema.properties ?? {};
  return { ...schema, properties: { ...schema.properties, apiVersion, kind, metadata } };
}

/** Definitions may narrow the name of their objects; the rest of metadata is the server's. */
function objectMetaOf({ properties }: JsonSchema): JsonSchema {
  const narrowed = properties?.metadata?.properties ?? {};
  const names = Object.entries(narrowed).filter(([name]) => name === "name" || name === "generateName");
  return { ...objectMeta, properties: { ...objectMeta.properties, ...Object.fromEntries(names) } };
}

function mapValues(fields: Readonly<Record<string, JsonSchema>>, change: (schema: JsonSchema) => JsonSchema): Record<string, JsonSchema> {
  return Object.fromEntries(Object.entries(fields).map(([name, schema]) => [name, change(schema)]));
}
