import { type FieldError, duplicate, invalid, notSupported, required, tooLong, tooMany } from "../field-error.ts";
import type { Json, JsonObject, JsonSchema } from "../openapi/schema.ts";
import { jsonEqual } from "../patch/json.ts";
import { hasFormat } from "./formats.ts";
import { hasShape } from "./schema-check.ts";

/** Checks what a schema demands of values beyond their type: presence, ranges, lengths, patterns, choices, keys of lists that are maps. */
export function checkConstraints(schema: JsonSchema, value: unknown, matches?: PatternMatch): FieldError[] {
  const errors: FieldError[] = [];
  visit({ schema, value, path: "" }, { errors, matches });
  return errors;
}

/** Whether a pattern is found in a text. Given for schemas that users wrote; formats are checked by those only: built-in kinds have rules instead. */
export type PatternMatch = (pattern: string, text: string) => boolean;

/** By backtracking: for patterns that stand in our own code. */
const matchesTrusted: PatternMatch = (pattern, text) => new RegExp(pattern, "u").test(text);

interface Place {
  readonly schema: JsonSchema;
  readonly value: unknown;
  readonly path: string;
}

interface Check {
  readonly errors: FieldError[];
  readonly matches: PatternMatch | undefined;
}

function visit({ schema, value, path }: Place, check: Check): void {
  if (value === undefined || value === null) return;
  const { enum: choices } = schema;
  if (choices !== undefined && !choices.some((choice) => jsonEqual(choice, value as Json)))
    check.errors.push(notSupported(path, value, choices.map(String)));
  if (typeof value === "string") checkString(schema, value, path, check);
  else if (typeof value === "number") checkNumber(schema, value, path, check.errors);
  else if (Array.isArray(value)) checkList(schema, value as readonly Json[], path, check);
  else if (typeof value === "object") checkObject(schema, value as JsonObject, path, check);
  checkJunctors(schema, value, path, check);
}

function checkObject(schema: JsonSchema, object: JsonObject, path: string, check: Check): void {
  const { errors } = check;
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
    if (inner !== undefined) visit({ schema: inner, value: object[name], path: inside(name) }, check);
  }
}

function checkList(schema: JsonSchema, list: readonly Json[], path: string, check: Check): void {
  const { errors } = check;
  const { minItems = 0, maxItems = Number.POSITIVE_INFINITY, items } = schema;
  if (list.length < minItems) errors.push(invalid(path, list.length, `must have at least ${minItems} items`));
  if (list.length > maxItems) errors.push(tooMany(path, list.length, maxItems));
  if (items !== undefined)
    for (const [index, item] of list.entries()) visit({ schema: items, value: item, path: `${path}[${index}]` }, check);
  const identity = identityOf(schema);
  if (identity === undefined) return;
  const seen = new Set<string>();
  for (const [index, item] of list.entries()) {
    const key = JSON.stringify(identity(item));
    if (seen.has(key)) errors.push(duplicate(`${path}[${index}]`, identity(item)));
    seen.add(key);
  }
}

/** What tells the items of a set or of a list that is a map apart; undefined for other lists. */
function identityOf(schema: JsonSchema): ((item: Json) => Json) | undefined {
  const { "x-kubernetes-list-type": type, "x-kubernetes-list-map-keys": keys = [], items } = schema;
  // lists of built-in kinds are sets and maps for patches and applies, and have checks of their own
  if (schema["x-kubernetes-patch-strategy"] !== undefined) return undefined;
  if (type === "set") return (item) => item;
  if (type !== "map") return undefined;
  return (item) => {
    const fields = (item ?? {}) as JsonObject;
    const key = (name: string): Json => fields[name] ?? items?.properties?.[name]?.default ?? null;
    return Object.fromEntries(keys.map((name) => [name, key(name)]));
  };
}

function checkString(schema: JsonSchema, value: string, path: string, { errors, matches }: Check): void {
  const { pattern, minLength = 0, maxLength = Number.POSITIVE_INFINITY, format } = schema;
  if (value.length < minLength) errors.push(invalid(path, value, `must be at least ${minLength} characters long`));
  if (value.length > maxLength && [...value].length > maxLength) errors.push(tooLong(path, maxLength));
  if (pattern !== undefined && !(matches ?? matchesTrusted)(pattern, value)) errors.push(invalid(path, value, `must match ${pattern}`));
  if (matches !== undefined && format !== undefined && !hasFormat(format, value))
    errors.push(invalid(path, value, `must be of type ${format}`));
}

function checkNumber(schema: JsonSchema, value: number, path: string, errors: FieldError[]): void {
  const { minimum, maximum, exclusiveMinimum, exclusiveMaximum, multipleOf } = schema;
  if (minimum !== undefined && (exclusiveMinimum ? value <= minimum : value < minimum))
    errors.push(invalid(path, value, `must be ${exclusiveMinimum ? "greater than" : "greater than or equal to"} ${minimum}`));
  if (maximum !== undefined && (exclusiveMaximum ? value >= maximum : value > maximum))
    errors.push(invalid(path, value, `must be ${exclusiveMaximum ? "less than" : "less than or equal to"} ${maximum}`));
  if (multipleOf !== undefined && !Number.isInteger(value / multipleOf))
    errors.push(invalid(path, value, `must be a multiple of ${multipleOf}`));
}

function checkJunctors({ allOf, anyOf, oneOf, not }: JsonSchema, value: unknown, path: string, check: Check): void {
  const { errors, matches } = check;
  const fits = (schema: JsonSchema): boolean => hasShape(schema, value) && checkConstraints(schema, value, matches).length === 0;
  for (const schema of allOf ?? []) visit({ schema, value, path }, check);
  if (anyOf?.every((schema) => !fits(schema))) errors.push(invalid(path, value, "must validate at least one schema (anyOf)"));
  if (oneOf !== undefined) {
    const valid = oneOf.filter((schema) => fits(schema)).length;
    if (valid !== 1)
      errors.push(invalid(path, value, `must validate one and only one schema (oneOf). Found ${valid === 0 ? "none" : valid} valid`));
  }
  if (not !== undefined && fits(not)) errors.push(invalid(path, value, "must not validate the schema (not)"));
}
