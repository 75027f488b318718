import { type FieldError, invalid, notSupported, required, tooLong, tooMany } from "../field-error.ts";
import type { JsonSchema } from "../openapi/schema.ts";

/** What does not fit the shape of a kind. Paths are as in messages: `spec.containers[0].image`. */
export interface ShapeFindings {
  /** Fields that the schema does not name. They have been removed from the value. */
  readonly unknown: string[];
  /** Values of another JSON type, told as `spec.replicas: expected integer, got string`. */
  readonly mistyped: string[];
}

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
    findings.mistyped.push(`${path === "" ? "the object" : path}: expected ${describe(expected, schema)}, got ${typeName(value)}`);
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
  for (const [name, inner] of Object.entries(object)) {
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

/** Checks what the schema demands of values beyond their type: presence, ranges, lengths, patterns, choices. */
export function checkConstraints(schema: JsonSchema, value: unknown, path = ""): FieldError[] {
  const errors: FieldError[] = [];
  visitConstraints(schema, value, path, errors);
  return errors;
}

function visitConstraints(schema: JsonSchema, value: unknown, path: string, errors: FieldError[]): void {
  if (value === undefined || value === null) return;
  const { enum: choices } = schema;
  if (choices !== undefined && !choices.some((choice) => choice === value)) errors.push(notSupported(path, value, choices.map(String)));
  if (typeof value === "string") checkString(schema, value, path, errors);
  else if (typeof value === "number") checkNumber(schema, value, path, errors);
  else if (Array.isArray(value)) {
    const { minItems = 0, maxItems = Number.POSITIVE_INFINITY, items } = schema;
    if (value.length < minItems) errors.push(invalid(path, value.length, `must have at least ${minItems} items`));
    if (value.length > maxItems) errors.push(tooMany(path, value.length, maxItems));
    if (items !== undefined) for (const [index, item] of value.entries()) visitConstraints(items, item, `${path}[${index}]`, errors);
  } else if (typeof value === "object") checkObject(schema, value as Record<string, unknown>, path, errors);
}

function checkObject(schema: JsonSchema, object: Record<string, unknown>, path: string, errors: FieldError[]): void {
  const {
    properties = {},
    additionalProperties,
    required: names = [],
    minProperties = 0,
    maxProperties = Number.POSITIVE_INFINITY,
  } = schema;
  const inside = (name: string): string => (path === "" ? name : `${path}.${name}`);
  for (const name of names) if (object[name] === undefined || object[name] === null) errors.push(required(inside(name)));
  const present = Object.keys(object);
  if (present.length < minProperties) errors.push(invalid(path, present.length, `must have at least ${minProperties} properties`));
  if (present.length > maxProperties) errors.push(tooMany(path, present.length, maxProperties));
  for (const name of present) {
    const known = Object.hasOwn(properties, name) ? properties[name] : undefined;
    const inner = known ?? (typeof additionalProperties === "object" ? additionalProperties : undefined);
    if (inner !== undefined) visitConstraints(inner, object[name], inside(name), errors);
  }
}

function checkString(schema: JsonSchema, value: string, path: string, errors: FieldError[]): void {
  const { pattern, minLength = 0, maxLength = Number.POSITIVE_INFINITY } = schema;
  if (value.length < minLength) errors.push(invalid(path, value, `must be at least ${minLength} characters long`));
  if (value.length > maxLength) errors.push(tooLong(path, maxLength));
  if (pattern !== undefined && !new RegExp(pattern, "u").test(value)) errors.push(invalid(path, value, `must match ${pattern}`));
}

function checkNumber(schema: JsonSchema, value: number, path: string, errors: FieldError[]): void {
  const { minimum, maximum, exclusiveMinimum, exclusiveMaximum } = schema;
  if (minimum !== undefined && (exclusiveMinimum ? value <= minimum : value < minimum))
    errors.push(invalid(path, value, `must be ${exclusiveMinimum ? "greater than" : "greater than or equal to"} ${minimum}`));
  if (maximum !== undefined && (exclusiveMaximum ? value >= maximum : value > maximum))
    errors.push(invalid(path, value, `must be ${exclusiveMaximum ? "less than" : "less than or equal to"} ${maximum}`));
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
