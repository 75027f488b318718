import type { JsonSchema } from "../openapi/schema.ts";

/** What does not fit the shape of a kind. Paths are as in messages: `spec.containers[0].image`. */
export interface ShapeFindings {
  /** Fields that the schema does not name. They have been removed from the value. */
  readonly unknown: string[];
  readonly mistyped: Mistyped[];
}

/** A value of another JSON type, such as a string where the schema wants an integer. */
export interface Mistyped {
  readonly path: string;
  readonly expected: string;
  readonly got: string;
}

/** `spec.replicas: expected integer, got string`. */
export const mistypedText = ({ path, expected, got }: Mistyped): string =>
  `${path === "" ? "the object" : path}: expected ${expected}, got ${got}`;

/**
 * Checks JSON types, and removes, in place, fields the schema does not name and fields that are null (which say "absent" in Kubernetes).
 * The value must not nest deeper than the stack allows: request bodies are bounded.
 */
export function checkShape(schema: JsonSchema, value: unknown, path = ""): ShapeFindings {
  const findings: ShapeFindings = { unknown: [], mistyped: [] };
  visitShape(schema, value, path, findings);
  return findings;
}

function visitShape(schema: JsonSchema, value: unknown, path: string, findings: ShapeFindings): void {
  const expected = expectedType(schema);
  if (expected !== undefined && !hasType(value, expected, schema)) {
    findings.mistyped.push({ path, expected: describe(expected, schema), got: typeName(value) });
    return;
  }
  if (Array.isArray(value)) {
    const { items } = schema;
    if (items !== undefined) for (const [index, item] of value.entries()) visitShape(items, item, `${path}[${index}]`, findings);
    return;
  }
  if (typeof value !== "object" || value === null) return;
  visitFields(schema, value as Record<string, unknown>, path, findings);
}

function visitFields(schema: JsonSchema, object: Record<string, unknown>, path: string, findings: ShapeFindings): void {
  const { properties = {}, additionalProperties } = schema;
  const open =
    schema["x-kubernetes-preserve-unknown-fields"] === true ||
    additionalProperties === true ||
    (schema.properties === undefined && additionalProperties === undefined);
  for (const name of Object.keys(object)) {
    const inner = object[name];
    const innerPath = path === "" ? name : `${path}.${name}`;
    const known = Object.hasOwn(properties, name) ? properties[name] : undefined;
    const innerSchema = known ?? (typeof additionalProperties === "object" ? additionalProperties : undefined);
    if (innerSchema === undefined) {
      if (open) continue;
      findings.unknown.push(innerPath);
      delete object[name];
    } else if (inner === null || inner === undefined) {
      if (innerSchema.nullable !== true || inner === undefined) delete object[name];
    } else visitShape(innerSchema, inner, innerPath, findings);
  }
}

/** Whether a value has the JSON types of the schema, at every depth. Changes nothing. */
export function hasShape(schema: JsonSchema, value: unknown): boolean {
  const expected = expectedType(schema);
  if (expected !== undefined && !hasType(value, expected, schema)) return false;
  if (typeof value !== "object" || value === null) return true;
  const { items, properties = {}, additionalProperties } = schema;
  if (Array.isArray(value)) return items === undefined || value.every((item) => hasShape(items, item));
  return Object.entries(value).every(([name, inner]) => {
    const known = Object.hasOwn(properties, name) ? properties[name] : undefined;
    const innerSchema = known ?? (typeof additionalProperties === "object" ? additionalProperties : undefined);
    return innerSchema === undefined || inner === null || hasShape(innerSchema, inner);
  });
}

type JsonType = NonNullable<JsonSchema["type"]>;

function expectedType(schema: JsonSchema): JsonType | "int-or-string" | undefined {
  return schema["x-kubernetes-int-or-string"] ? "int-or-string" : schema.type;
}

function hasType(value: unknown, expected: JsonType | "int-or-string", schema: JsonSchema): boolean {
  switch (expected) {
    case "object":
      return typeof value === "object" && value !== null && !Array.isArray(value);
    case "array":
      return Array.isArray(value);
    case "integer":
      return Number.isInteger(value) && (schema.format !== "int32" || Math.abs(value as number) < 2 ** 31);
    case "int-or-string":
      return typeof value === "string" || typeof value === "number";
    default:
      return typeof value === expected;
  }
}

const describe = (expected: JsonType | "int-or-string", { format }: JsonSchema): string => {
  if (expected === "int-or-string") return "integer or string";
  return format === "int32" ? "a 32-bit integer" : expected;
};

function typeName(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "array";
  return typeof value === "number" ? `number ${value}` : typeof value;
}
