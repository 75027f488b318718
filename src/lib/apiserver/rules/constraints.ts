import { atOnce, type Parts } from "#lib/runtime/parts.ts";
import { type FieldError, duplicate, invalid, notSupported, required, tooLong, tooMany } from "../field-error.ts";
import type { Json, JsonObject, JsonSchema } from "../openapi/schema.ts";
import { jsonEqual } from "../patch/json.ts";
import { hasFormat } from "./formats.ts";
import { hasShape } from "./schema-check.ts";

/** Checks what a schema demands of values beyond their type: presence, ranges, lengths, patterns, choices, keys of lists that are maps. */
export const checkConstraints = (schema: JsonSchema, value: unknown, matches?: PatternMatch): FieldError[] =>
  atOnce(constraintErrors(schema, value, matches));

/** As {@link checkConstraints}, in parts. */
export function* constraintErrors(schema: JsonSchema, value: unknown, matches?: PatternMatch): Parts<FieldError[]> {
  const errors: FieldError[] = [];
  yield* visit({ schema, value, path: "" }, { errors, matches });
  return errors;
}

/** Items or fields of one value that are looked at between two rests. */
const manyInside = 256;

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

function* visit({ schema, value, path }: Place, check: Check): Parts<void> {
  if (value === undefined || value === null || !demandsAnything(schema)) return;
  const { enum: choices } = schema;
  if (choices !== undefined && !choices.some((choice) => jsonEqual(choice, value as Json)))
    check.errors.push(notSupported(path, value, choices.map(String)));
  if (typeof value === "string") checkString(schema, value, path, check);
  else if (typeof value === "number") checkNumber(schema, value, path, check.errors);
  else if (Array.isArray(value)) yield* checkList(schema, value as readonly Json[], path, check);
  else if (typeof value === "object") yield* checkObject(schema, value as JsonObject, path, check);
  yield* checkJunctors(schema, value, path, check);
}

const demanding = new WeakMap<JsonSchema, boolean>();

/** Whether a schema, or any below it, demands more than types: in wide maps of texts there is nothing to look at. */
function demandsAnything(schema: JsonSchema): boolean {
  const known = demanding.get(schema);
  if (known !== undefined) return known;
  const { items, properties = {}, additionalProperties } = schema;
  const made =
    demands.some((name) => schema[name] !== undefined) ||
    (items !== undefined && demandsAnything(items)) ||
    Object.values(properties).some((inner) => demandsAnything(inner)) ||
    (typeof additionalProperties === "object" && demandsAnything(additionalProperties));
  demanding.set(schema, made);
  return made;
}

/** What this file looks at, but for the schemas below. */
const demands = [
  ...([
    "enum",
    "required",
    "minProperties",
    "maxProperties",
    "minItems",
    "maxItems",
    "x-kubernetes-list-type",
    "pattern",
    "minLength",
  ] as const),
  ...(["maxLength", "format", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"] as const),
  ...(["allOf", "anyOf", "oneOf", "not"] as const),
] as const;

function* checkObject(schema: JsonSchema, object: JsonObject, path: string, check: Check): Parts<void> {
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
  let looked = 0;
  for (const name of present) {
    if (++looked % manyInside === 0) yield;
    const known = Object.hasOwn(properties, name) ? properties[name] : undefined;
    const inner = known ?? (typeof additionalProperties === "object" ? additionalProperties : undefined);
    if (inner !== undefined) yield* visit({ schema: inner, value: object[name], path: inside(name) }, check);
  }
}

function* checkList(schema: JsonSchema, list: readonly Json[], path: string, check: Check): Parts<void> {
  const { errors } = check;
  const { minItems = 0, maxItems = Number.POSITIVE_INFINITY, items } = schema;
  if (list.length < minItems) errors.push(invalid(path, list.length, `must have at least ${minItems} items`));
  if (list.length > maxItems) errors.push(tooMany(path, list.length, maxItems));
  if (items !== undefined)
    for (const [index, item] of list.entries()) {
      if (index % manyInside === manyInside - 1) yield;
      yield* visit({ schema: items, value: item, path: `${path}[${index}]` }, check);
    }
  const identity = identityOf(schema);
  if (identity === undefined) return;
  const seen = new Set<string>();
  for (const [index, item] of list.entries()) {
    if (index % manyInside === manyInside - 1) yield;
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

function* checkJunctors({ allOf, anyOf, oneOf, not }: JsonSchema, value: unknown, path: string, check: Check): Parts<void> {
  const { errors, matches } = check;
  const fits = (schema: JsonSchema): boolean => hasShape(schema, value) && checkConstraints(schema, value, matches).length === 0;
  for (const schema of allOf ?? []) yield* visit({ schema, value, path }, check);
  if (anyOf?.every((schema) => !fits(schema))) errors.push(invalid(path, value, "must validate at least one schema (anyOf)"));
  if (oneOf !== undefined) {
    const valid = oneOf.filter((schema) => fits(schema)).length;
    if (valid !== 1)
      errors.push(invalid(path, value, `must validate one and only one schema (oneOf). Found ${valid === 0 ? "none" : valid} valid`));
  }
  if (not !== undefined && fits(not)) errors.push(invalid(path, value, "must not validate the schema (not)"));
}
