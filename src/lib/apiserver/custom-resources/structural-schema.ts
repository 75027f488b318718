import { type FieldError, forbiddenField, invalid, notSupported, required } from "../field-error.ts";
import { applyDefaults } from "../openapi/defaults.ts";
import type { Json, JsonSchema } from "../openapi/schema.ts";
import { matchesPattern, regularExpression } from "../regular-expression.ts";
import { checkConstraints } from "../rules/constraints.ts";
import { checkShape, mistypedText } from "../rules/schema-check.ts";

/** Nesting of schemas beyond this is refused, so that recursion stays far from the end of the stack. */
const deepest = 100;

const types = ["object", "array", "string", "integer", "number", "boolean"];

/** Keywords of JSON schema that structural schemas do without. */
const forbiddenKeywords = [
  "$ref",
  "definitions",
  "dependencies",
  "deprecated",
  "discriminator",
  "id",
  "patternProperties",
  "readOnly",
  "writeOnly",
  "xml",
];

/** What keeps a schema from being structural (every value has one type, and everything below it is known), by path. */
export function checkStructuralSchema(schema: JsonSchema, path: string): FieldError[] {
  const errors: FieldError[] = [];
  if (schema.type !== "object") errors.push(invalid(`${path}.type`, schema.type ?? "", 'must be "object" at the root'));
  visit(schema, { path, depth: 0, errors, root: true });
  return errors;
}

interface Visit {
  readonly path: string;
  readonly depth: number;
  readonly errors: FieldError[];
  readonly root?: boolean;
}

function visit(schema: unknown, { path, depth, errors, root = false }: Visit): void {
  if (typeof schema !== "object" || schema === null || Array.isArray(schema)) {
    errors.push(invalid(path, schema, "must be a schema"));
    return;
  }
  if (depth > deepest) {
    errors.push(forbiddenField(path, `schemas may nest ${deepest} levels`));
    return;
  }
  const node = schema as JsonSchema;
  checkKeywords(node, path, errors);
  checkType(node, path, errors);
  const below = (inner: unknown, name: string): void => visit(inner, { path: `${path}.${name}`, depth: depth + 1, errors });
  if (node.properties !== undefined) {
    if (typeof node.properties !== "object") errors.push(invalid(`${path}.properties`, node.properties, "must be a map of schemas"));
    else
      for (const [name, inner] of Object.entries(node.properties)) {
        if (!(root && isMetaField(name))) below(inner, `properties[${name}]`);
      }
  }
  if (node.properties !== undefined && node.additionalProperties !== undefined)
    errors.push(forbiddenField(`${path}.additionalProperties`, "additionalProperties and properties are mutual exclusive"));
  if (typeof node.additionalProperties === "object") below(node.additionalProperties, "additionalProperties");
  else if (node.additionalProperties === false)
    errors.push(forbiddenField(`${path}.additionalProperties`, "additionalProperties cannot be set to false"));
  if (node.type === "array" && node.items === undefined) errors.push(required(`${path}.items`, "must be specified"));
  if (node.items !== undefined) below(node.items, "items");
  for (const junctor of ["allOf", "anyOf", "oneOf"] as const) {
    const branches: unknown = node[junctor];
    if (branches !== undefined && !Array.isArray(branches))
      errors.push(invalid(`${path}.${junctor}`, branches, "must be a list of schemas"));
    else
      for (const [index, inner] of (branches ?? []).entries())
        visitJunctor(inner, { path: `${path}.${junctor}[${index}]`, depth: depth + 1, errors });
  }
  if (node.not !== undefined) visitJunctor(node.not, { path: `${path}.not`, depth: depth + 1, errors });
  checkLists(node, path, errors);
  if (node.default !== undefined && errors.length === 0) checkDefault(node, path, errors);
}

const isMetaField = (name: string): boolean => name === "metadata" || name === "apiVersion" || name === "kind";

function checkKeywords(node: JsonSchema, path: string, errors: FieldError[]): void {
  const fields = node as Record<string, unknown>;
  for (const keyword of forbiddenKeywords)
    if (fields[keyword] !== undefined) errors.push(forbiddenField(`${path}.${keyword}`, `${keyword} is not supported`));
  if (fields.uniqueItems === true)
    errors.push(forbiddenField(`${path}.uniqueItems`, "uniqueItems cannot be set to true since the runtime complexity becomes quadratic"));
  if (node.pattern !== undefined) {
    const expression = typeof node.pattern === "string" ? regularExpression(node.pattern) : "must be a string";
    if (typeof expression === "string")
      errors.push(invalid(`${path}.pattern`, node.pattern, `must be a valid regular expression, but isn't: ${expression}`));
  }
}

function checkType(node: JsonSchema, path: string, errors: FieldError[]): void {
  const either = node["x-kubernetes-int-or-string"] === true;
  if (node.type === undefined) {
    if (!either && node["x-kubernetes-preserve-unknown-fields"] !== true)
      errors.push(required(`${path}.type`, "must not be empty for specified object fields"));
  } else if (!types.includes(node.type)) errors.push(notSupported(`${path}.type`, node.type, types));
  else if (either) errors.push(forbiddenField(`${path}.type`, "must be empty if x-kubernetes-int-or-string is true"));
  if (node["x-kubernetes-embedded-resource"] && node.type !== "object")
    errors.push(invalid(`${path}.type`, node.type ?? "", "must be object if x-kubernetes-embedded-resource is true"));
}

/** Branches of anyOf and the like only narrow: types, defaults and descriptions stand outside of them. */
function visitJunctor(schema: unknown, { path, depth, errors }: Visit): void {
  if (typeof schema !== "object" || schema === null || depth > deepest) {
    errors.push(invalid(path, schema, "must be a schema"));
    return;
  }
  const node = schema as JsonSchema;
  for (const keyword of ["default", "nullable", "additionalProperties", "x-kubernetes-preserve-unknown-fields"] as const)
    if (node[keyword] !== undefined) errors.push(forbiddenField(`${path}.${keyword}`, "must not be set inside of a logical junctor"));
  checkKeywords(node, path, errors);
  const below = (inner: unknown, name: string): void => visitJunctor(inner, { path: `${path}.${name}`, depth: depth + 1, errors });
  for (const [name, inner] of Object.entries(node.properties ?? {})) below(inner, `properties[${name}]`);
  if (node.items !== undefined) below(node.items, "items");
  for (const junctor of ["allOf", "anyOf", "oneOf"] as const) for (const inner of node[junctor] ?? []) below(inner, junctor);
  if (node.not !== undefined) below(node.not, "not");
}

function checkLists(node: JsonSchema, path: string, errors: FieldError[]): void {
  const { "x-kubernetes-list-type": listType, "x-kubernetes-list-map-keys": keys, "x-kubernetes-map-type": mapType, type, items } = node;
  if (listType !== undefined && !["atomic", "set", "map"].includes(listType))
    errors.push(notSupported(`${path}.x-kubernetes-list-type`, listType, ["atomic", "set", "map"]));
  if (listType !== undefined && type !== "array")
    errors.push(invalid(`${path}.type`, type ?? "", "must be array if x-kubernetes-list-type is specified"));
  if (mapType !== undefined && mapType !== "atomic" && mapType !== "granular")
    errors.push(notSupported(`${path}.x-kubernetes-map-type`, mapType, ["atomic", "granular"]));
  if (listType !== "map") {
    if (keys !== undefined && keys.length > 0)
      errors.push(forbiddenField(`${path}.x-kubernetes-list-map-keys`, "must not be set if x-kubernetes-list-type is not map"));
    return;
  }
  if (keys === undefined || keys.length === 0)
    errors.push(required(`${path}.x-kubernetes-list-map-keys`, "must not be empty if x-kubernetes-list-type is map"));
  for (const key of keys ?? []) {
    const field = items?.properties?.[key];
    const where = `${path}.items.properties[${key}]`;
    if (field === undefined) errors.push(invalid(`${path}.x-kubernetes-list-map-keys`, key, "must name a property of the items"));
    else if (field.default === undefined && !items?.required?.includes(key))
      errors.push(
        required(`${where}.default`, "this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property"),
      );
  }
}

function checkDefault(node: JsonSchema, path: string, errors: FieldError[]): void {
  const value = structuredClone(node.default) as Json;
  if (value === null && node.nullable) return;
  applyDefaults(node, value);
  const { unknown, mistyped } = checkShape(node, value);
  const field = `${path}.default`;
  if (unknown.length > 0) errors.push(invalid(field, value, `has unknown fields: ${unknown.join(", ")}`));
  for (const one of mistyped) errors.push(invalid(field, value, mistypedText(one)));
  for (const { message } of checkConstraints(node, value, matchesPattern)) errors.push(invalid(field, value, message));
}
