import type { Json, JsonObject, JsonSchema } from "../openapi/schema.ts";
import { fieldOf, isArray, isObject, jsonEqual } from "../patch/json.ts";
import { type FieldTree, isMember, TreeBuilder } from "./field-tree.ts";

/** How the parts of a value are owned: as one, by field, by key, or by value. */
type Shape =
  | { readonly kind: "atomic" }
  | { readonly kind: "fields"; field(name: string): JsonSchema | undefined }
  | { readonly kind: "keyed"; readonly keys: readonly string[]; readonly item: JsonSchema | undefined }
  | { readonly kind: "set" };

function shapeOf(value: Json, schema: JsonSchema | undefined): Shape {
  if (isObject(value)) {
    if (schema?.["x-kubernetes-map-type"] === "atomic") return { kind: "atomic" };
    const { properties = {}, additionalProperties } = schema ?? {};
    const rest = typeof additionalProperties === "object" ? additionalProperties : undefined;
    return { kind: "fields", field: (name) => (Object.hasOwn(properties, name) ? properties[name] : rest) };
  }
  if (!isArray(value)) return { kind: "atomic" };
  const { "x-kubernetes-list-type": type, "x-kubernetes-list-map-keys": keys = [], items } = schema ?? {};
  if (type === "map" && keys.length > 0 && value.every(isObject)) return { kind: "keyed", keys, item: items };
  return { kind: type === "set" && value.every(isScalar) ? "set" : "atomic" };
}

const isScalar = (value: Json): boolean => typeof value !== "object" || value === null;

/** The parts of a value, by the element that names each in a tree; undefined for a value that is owned as one. */
function partsOf(
  value: Json,
  schema: JsonSchema | undefined,
): Map<string, { readonly value: Json; readonly schema: JsonSchema | undefined }> | undefined {
  const shape = shapeOf(value, schema);
  switch (shape.kind) {
    case "fields":
      return new Map(
        Object.entries(value as JsonObject).map(([name, inner]) => [`f:${name}`, { value: inner, schema: shape.field(name) }]),
      );
    case "keyed":
      return new Map((value as readonly JsonObject[]).map((item) => [keyElement(item, shape), { value: item, schema: shape.item }]));
    case "set":
      return new Map((value as readonly Json[]).map((item) => [`v:${JSON.stringify(item)}`, { value: item, schema: undefined }]));
    default:
      return undefined;
  }
}

function keyElement(item: JsonObject, { keys, item: schema }: Extract<Shape, { kind: "keyed" }>): string {
  const sorted = keys.toSorted();
  return `k:${JSON.stringify(Object.fromEntries(sorted.map((key) => [key, fieldOf(item, key) ?? schema?.properties?.[key]?.default ?? null])))}`;
}

/** Every field that a value sets. */
export function fieldsOf(value: Json, schema: JsonSchema | undefined): FieldTree | undefined {
  const builder = new TreeBuilder();
  addFields(builder, value, schema);
  return builder.build();
}

function addFields(builder: TreeBuilder, value: Json, schema: JsonSchema | undefined): void {
  const parts = partsOf(value, schema);
  if (parts === undefined || parts.size === 0) {
    builder.add();
    return;
  }
  for (const [element, part] of parts) {
    const child = builder.child(element);
    // an item is there by itself, whatever is in it
    if (!element.startsWith("f:")) child.add();
    addFields(child, part.value, part.schema);
  }
}

/** What became of the fields of a value. */
export interface Comparison {
  /** Set now, and not before or to something else. */
  readonly changed: FieldTree | undefined;
  readonly removed: FieldTree | undefined;
}

export function compareFields(before: Json, after: Json, schema: JsonSchema | undefined): Comparison {
  const changed = new TreeBuilder();
  const removed = new TreeBuilder();
  compare({ before, after, schema }, changed, removed);
  return { changed: changed.build(), removed: removed.build() };
}

interface Pair {
  readonly before: Json;
  readonly after: Json;
  readonly schema: JsonSchema | undefined;
}

function compare({ before, after, schema }: Pair, changed: TreeBuilder, removed: TreeBuilder): void {
  if (before === after) return;
  const [was, is] = [partsOf(before, schema), partsOf(after, schema)];
  if (was === undefined || is === undefined || isArray(before) !== isArray(after)) {
    if (jsonEqual(before, after)) return;
    if (was !== undefined) addFields(removed, before, schema);
    addFields(changed, after, schema);
    return;
  }
  if (is.size === 0 && was.size > 0) changed.add();
  if (was.size === 0 && is.size > 0) removed.add();
  for (const [element, part] of is) {
    const old = was.get(element);
    if (old === undefined) {
      if (!element.startsWith("f:")) changed.child(element).add();
      addFields(changed.child(element), part.value, part.schema);
    } else compare({ before: old.value, after: part.value, schema: part.schema }, changed.child(element), removed.child(element));
  }
  for (const [element, part] of was) {
    if (is.has(element)) continue;
    removed.child(element).add();
    addFields(removed.child(element), part.value, part.schema);
  }
}

/** `live` with everything that `config` sets. Items of keyed lists and sets that are new come last. */
export function mergeApplied(live: Json | undefined, config: Json, schema: JsonSchema | undefined): Json {
  const shape = shapeOf(config, schema);
  if (live === undefined || shape.kind === "atomic") return config;
  switch (shape.kind) {
    case "fields": {
      if (!isObject(live)) return config;
      const merged = new Map(Object.entries(live));
      for (const [name, value] of Object.entries(config as JsonObject)) {
        if (value === null) merged.delete(name);
        else merged.set(name, mergeApplied(fieldOf(live, name), value, shape.field(name)));
      }
      return Object.fromEntries(merged);
    }
    case "set": {
      if (!isArray(live)) return config;
      const present = new Set(live);
      return [...live, ...(config as readonly Json[]).filter((item) => !present.has(item))];
    }
    default: {
      if (!isArray(live) || !live.every(isObject)) return config;
      const items = new Map<string, Json>(live.map((item) => [keyElement(item, shape), item]));
      for (const item of config as readonly JsonObject[]) {
        const key = keyElement(item, shape);
        items.set(key, mergeApplied(items.get(key), item, shape.item));
      }
      return [...items.values()];
    }
  }
}

/** `value` without the members of `fields`; containers that become empty by it go too, unless `kept` names them. Undefined when nothing is left. */
export function removeFields(
  value: Json,
  schema: JsonSchema | undefined,
  { fields, kept }: { readonly fields: FieldTree; readonly kept: FieldTree | undefined },
): Json | undefined {
  const parts = partsOf(value, schema);
  if (parts === undefined || parts.size === 0) return value;
  const left: [string, Json][] = [];
  for (const [element, part] of parts) {
    const gone = fields[element];
    if (gone === undefined) left.push([element, part.value]);
    else if (!isMember(gone)) {
      const inner = removeFields(part.value, part.schema, { fields: gone, kept: kept?.[element] });
      if (inner !== undefined) left.push([element, inner]);
    }
  }
  if (left.length === 0 && kept === undefined) return undefined;
  return isArray(value) ? left.map(([, item]) => item) : Object.fromEntries(left.map(([element, inner]) => [element.slice(2), inner]));
}
