import type { Json, JsonSchema } from "./schema.ts";

type Fields = Record<string, Json>;

/** Sets, in place, every absent field whose schema has a `default`, inside what is present: an absent object without a default stays absent. */
export function applyDefaults(schema: JsonSchema, value: unknown): void {
  if (!hasDefaults(schema)) return;
  if (Array.isArray(value)) {
    if (schema.items) for (const item of value) applyDefaults(schema.items, item);
    return;
  }
  if (typeof value !== "object" || value === null) return;
  const object = value as Fields;
  for (const [name, inner] of Object.entries(schema.properties ?? {})) {
    const present = Object.hasOwn(object, name) && object[name] !== null;
    if (!present && inner.default !== undefined) object[name] = structuredClone(inner.default);
    if (Object.hasOwn(object, name)) applyDefaults(inner, object[name]);
  }
  const { additionalProperties } = schema;
  if (typeof additionalProperties === "object") for (const inner of Object.values(object)) applyDefaults(additionalProperties, inner);
}

const known = new WeakMap<JsonSchema, boolean>();

/** Whether a default stands anywhere in a schema: in most parts of most there is none, and their values need not be gone through. */
function hasDefaults(schema: JsonSchema): boolean {
  const found = known.get(schema);
  if (found !== undefined) return found;
  const { items, properties = {}, additionalProperties } = schema;
  const inner = [...(items === undefined ? [] : [items]), ...Object.values(properties)];
  if (typeof additionalProperties === "object") inner.push(additionalProperties);
  const made = inner.some((one) => one.default !== undefined || hasDefaults(one));
  known.set(schema, made);
  return made;
}

/** Whether {@link applyDefaults} would change anything. */
export function lacksDefaults(schema: JsonSchema, value: unknown): boolean {
  if (Array.isArray(value)) {
    const { items } = schema;
    return items !== undefined && value.some((item) => lacksDefaults(items, item));
  }
  if (typeof value !== "object" || value === null) return false;
  const object = value as Fields;
  for (const [name, inner] of Object.entries(schema.properties ?? {})) {
    const there = Object.hasOwn(object, name);
    if (inner.default !== undefined && (!there || object[name] === null)) return true;
    if (there && lacksDefaults(inner, object[name])) return true;
  }
  const { additionalProperties } = schema;
  return typeof additionalProperties === "object" && Object.values(object).some((inner) => lacksDefaults(additionalProperties, inner));
}
