import type { Json, JsonObject, JsonSchema } from "../openapi/schema.ts";
import { fieldOf, isArray, isObject, jsonEqual, setField } from "../patch/json.ts";
import { type DraftTree, type FieldTree, finishNode, isMember, leaf, startNode } from "./field-tree.ts";

/** How the parts of a value are owned: as one, by field, by key, or by value. */
type Shape =
  | { readonly kind: "atomic" }
  | { readonly kind: "fields"; field(name: string): JsonSchema | undefined }
  | { readonly kind: "keyed" /** Sorted. */; readonly keys: readonly string[]; readonly item: JsonSchema | undefined }
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
  if (type === "map" && keys.length > 0 && value.every(isObject)) return { kind: "keyed", keys: keys.toSorted(), item: items };
  return { kind: type === "set" && value.every(isScalar) ? "set" : "atomic" };
}

const isScalar = (value: Json): boolean => typeof value !== "object" || value === null;

/** The parts of a value, by the element that names each in a tree; undefined for a value that is owned as one. */
function partsOf(value: Json, schema: JsonSchema | undefined): Map<string, Part> | undefined {
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
  const pairs = keys.map(
    (key) => `${JSON.stringify(key)}:${JSON.stringify(fieldOf(item, key) ?? schema?.properties?.[key]?.default ?? null)}`,
  );
  return `k:{${pairs.join(",")}}`;
}

/** Every field that a value sets. */
export const fieldsOf = (value: Json, schema: JsonSchema | undefined): FieldTree => treeOf({ value, schema }, { member: false });

interface Part {
  readonly value: Json;
  readonly schema: JsonSchema | undefined;
}

/** A `member` is there by itself, whatever is in it. */
function treeOf({ value, schema }: Part, { member }: { readonly member: boolean }): FieldTree {
  if (typeof value !== "object" || value === null) return leaf;
  const shape = shapeOf(value, schema);
  const made = startNode({ member });
  if (shape.kind === "fields") {
    const names = Object.keys(value);
    for (const name of names)
      made[`f:${name}`] = treeOf({ value: (value as JsonObject)[name] ?? null, schema: shape.field(name) }, { member: false });
    return finishNode(made, { member, children: names.length }) ?? leaf;
  }
  const parts = partsOf(value, schema);
  for (const [element, part] of parts ?? []) made[element] = treeOf(part, { member: true });
  return finishNode(made, { member, children: parts?.size ?? 0 }) ?? leaf;
}

/** What became of the fields of a value. */
export interface Comparison {
  /** Set now, and not before or to something else. */
  readonly changed: FieldTree | undefined;
  readonly removed: FieldTree | undefined;
}

const nothing: Comparison = { changed: undefined, removed: undefined };

export function compareFields(before: Json, after: Json, schema: JsonSchema | undefined): Comparison {
  if (before === after) return nothing;
  if (isObject(before) && isObject(after)) {
    const shape = shapeOf(after, schema);
    if (shape.kind === "fields") return compareObjects(before, after, shape);
  }
  const [was, is] = [partsOf(before, schema), partsOf(after, schema)];
  if (was === undefined || is === undefined || isArray(before) !== isArray(after)) {
    if (jsonEqual(before, after)) return nothing;
    return { changed: fieldsOf(after, schema), removed: was === undefined ? undefined : fieldsOf(before, schema) };
  }
  const draft = draftComparison();
  for (const [element, part] of is) {
    const old = was.get(element);
    if (old === undefined) note(draft, element, { changed: treeOf(part, { member: true }), removed: undefined });
    else note(draft, element, compareFields(old.value, part.value, part.schema));
  }
  for (const [element, part] of was)
    if (!is.has(element)) note(draft, element, { changed: undefined, removed: treeOf(part, { member: true }) });
  return finished(draft, { was: was.size, is: is.size });
}

function compareObjects(before: JsonObject, after: JsonObject, shape: Extract<Shape, { kind: "fields" }>): Comparison {
  const draft = draftComparison();
  const is = Object.keys(after);
  let common = 0;
  for (const name of is) {
    const [old, value] = [fieldOf(before, name), after[name] ?? null];
    if (old !== undefined) common++;
    if (old === undefined)
      note(draft, `f:${name}`, { changed: treeOf({ value, schema: shape.field(name) }, { member: false }), removed: undefined });
    else if (old !== value) note(draft, `f:${name}`, compareFields(old, value, shape.field(name)));
  }
  const was = Object.keys(before);
  if (was.length > common)
    for (const name of was)
      if (!Object.hasOwn(after, name))
        note(draft, `f:${name}`, {
          changed: undefined,
          removed: treeOf({ value: before[name] ?? null, schema: shape.field(name) }, { member: true }),
        });
  return finished(draft, { was: was.length, is: is.length });
}

interface DraftComparison {
  readonly changed: DraftTree;
  readonly removed: DraftTree;
  /** How many children each of them has. */
  readonly count: { changed: number; removed: number };
}

const draftComparison = (): DraftComparison => ({ changed: {}, removed: {}, count: { changed: 0, removed: 0 } });

function note(draft: DraftComparison, element: string, { changed, removed }: Comparison): void {
  if (changed !== undefined) {
    draft.changed[element] = changed;
    draft.count.changed++;
  }
  if (removed !== undefined) {
    draft.removed[element] = removed;
    draft.count.removed++;
  }
}

/** A container that is empty now, or was, is a field itself. */
const finished = (
  { changed, removed, count }: DraftComparison,
  { was, is }: { readonly was: number; readonly is: number },
): Comparison => ({
  changed: finishNode(changed, { member: is === 0 && was > 0, children: count.changed }),
  removed: finishNode(removed, { member: was === 0 && is > 0, children: count.removed }),
});

/** `live` with everything that `config` sets. Items of keyed lists and sets that are new come last. */
export function mergeApplied(live: Json | undefined, config: Json, schema: JsonSchema | undefined): Json {
  const shape = shapeOf(config, schema);
  if (live === undefined || shape.kind === "atomic") return config;
  switch (shape.kind) {
    case "fields": {
      if (!isObject(live)) return config;
      const merged: Record<string, Json> = { ...live };
      for (const name of Object.keys(config as JsonObject)) {
        const value = (config as JsonObject)[name] ?? null;
        if (value === null) delete merged[name];
        else if (value !== merged[name]) setField(merged, name, mergeApplied(fieldOf(live, name), value, shape.field(name)));
      }
      return merged;
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
