import type { Json, JsonObject, JsonSchema } from "../openapi/schema.ts";
import { applyDirectives, deletePrefix, isDirective, orderPrefix } from "./directives.ts";
import { inOrder } from "./element-order.ts";
import { InvalidPatch } from "./errors.ts";
import { fieldOf, isArray, isObject } from "./json.ts";

/**
 * Strategic merge patch: like JSON merge patch, but lists whose schema says `x-kubernetes-patch-strategy: merge` merge element by element,
 * by `x-kubernetes-patch-merge-key` for objects and as a set for scalars; `$…` directives delete, replace and order. Fields that the schema
 * does not know merge as objects and replace as lists. Throws `InvalidPatch`.
 */
export function strategicMergePatch(original: JsonObject, patch: JsonObject, schema: JsonSchema | undefined): JsonObject {
  return mergeObject(original, patch, { schema, path: "" });
}

/** What is known about the value being merged. */
interface Place {
  readonly schema: JsonSchema | undefined;
  /** Field path for messages. */
  readonly path: string;
}

function mergeObject(original: JsonObject, patch: JsonObject, place: Place): JsonObject {
  const directed = applyDirectives(original, patch, place.path);
  if (directed.done) return directed.result;
  const merged = new Map(Object.entries(directed.base));
  for (const [name, change] of Object.entries(patch)) {
    if (isDirective(name)) continue;
    const field = fieldPlace(place, name);
    if (change === null) merged.delete(name);
    else if (isObject(change)) {
      const before = fieldOf(directed.base, name);
      if (replacesWhole(field.schema)) merged.set(name, change);
      else merged.set(name, mergeObject(isObject(before) ? before : {}, change, field));
    } else if (!isArray(change) || !mergesList(field.schema)) merged.set(name, change);
  }
  for (const name of mergedListsOf(patch, place)) {
    const list = mergeList(asList(fieldOf(directed.base, name)), listChange(patch, name, place), fieldPlace(place, name));
    if (list.length > 0 || isArray(fieldOf(patch, name)) || merged.has(name)) merged.set(name, list);
  }
  return Object.fromEntries(merged);
}

function fieldPlace({ schema, path }: Place, name: string): Place {
  const properties = schema?.properties;
  const inner = properties !== undefined && Object.hasOwn(properties, name) ? properties[name] : undefined;
  const additional = typeof schema?.additionalProperties === "object" ? schema.additionalProperties : undefined;
  return { schema: inner ?? additional, path: path === "" ? name : `${path}.${name}` };
}

const strategies = (schema: JsonSchema | undefined): readonly string[] => schema?.["x-kubernetes-patch-strategy"]?.split(",") ?? [];
const replacesWhole = (schema: JsonSchema | undefined): boolean => strategies(schema).includes("replace");
const mergesList = (schema: JsonSchema | undefined): boolean => strategies(schema).includes("merge");
const asList = (value: Json | undefined): readonly Json[] => (isArray(value) ? value : []);

/** Fields of the patch that change a merging list: by elements, or by a directive alone. */
function mergedListsOf(patch: JsonObject, place: Place): Set<string> {
  const names = Object.entries(patch).flatMap(([name, change]) => {
    if (name.startsWith(orderPrefix)) return [name.slice(orderPrefix.length)];
    if (name.startsWith(deletePrefix)) return [name.slice(deletePrefix.length)];
    return isArray(change) && mergesList(fieldPlace(place, name).schema) ? [name] : [];
  });
  return new Set(names.filter((name) => fieldOf(patch, name) !== null));
}

interface ListChange {
  readonly elements: readonly Json[];
  readonly deleted: readonly Json[];
  /** Elements, or their merge keys, in the order they shall stand. Absent: that of the patch's own elements, so that new ones come first (as in Kubernetes). */
  readonly order: readonly Json[] | undefined;
}

function listChange(patch: JsonObject, name: string, { path }: Place): ListChange {
  const directive = (prefix: string): readonly Json[] | undefined => {
    const value = fieldOf(patch, `${prefix}${name}`);
    if (value !== undefined && !isArray(value)) throw new InvalidPatch(`${path === "" ? "" : `${path}.`}${prefix}${name} is not a list`);
    return value;
  };
  return { elements: asList(fieldOf(patch, name)), deleted: directive(deletePrefix) ?? [], order: directive(orderPrefix) };
}

function mergeList(original: readonly Json[], change: ListChange, place: Place): readonly Json[] {
  const mergeKey = place.schema?.["x-kubernetes-patch-merge-key"];
  return mergeKey === undefined ? mergeScalars(original, change, place) : mergeByKey(original, change, { ...place, mergeKey });
}

function mergeScalars(original: readonly Json[], { elements, deleted, order }: ListChange, { path }: Place): readonly Json[] {
  for (const one of [...elements, ...deleted])
    if (typeof one === "object")
      throw new InvalidPatch(`${path}: the elements of this list are scalars, not ${JSON.stringify(one)?.slice(0, 80)}`);
  const gone = new Set(deleted);
  const merged = [...new Set([...original, ...elements])].filter((one) => !gone.has(one));
  return inOrder(merged, { live: original, order: order ?? elements, identity: (one) => one });
}

interface KeyedPlace extends Place {
  readonly mergeKey: string;
}

function mergeByKey(original: readonly Json[], { elements, order }: ListChange, place: KeyedPlace): readonly Json[] {
  const { mergeKey, path } = place;
  const item = { schema: place.schema?.items, path: `${path}[]` };
  if (elements.some((one) => isObject(one) && fieldOf(one, "$patch") === "replace"))
    return elements.filter((one) => isObject(one) && fieldOf(one, "$patch") === undefined);
  const rows: (Json | undefined)[] = [...original];
  const places = new Map<string, number[]>();
  const file = (one: Json, index: number): void => {
    const text = JSON.stringify(isObject(one) ? (fieldOf(one, mergeKey) ?? null) : null);
    const found = places.get(text);
    if (found === undefined) places.set(text, [index]);
    else found.push(index);
  };
  original.forEach(file);
  for (const element of elements) {
    if (!isObject(element))
      throw new InvalidPatch(`${path}: an element of this list is an object, not ${JSON.stringify(element).slice(0, 80)}`);
    const key = fieldOf(element, mergeKey);
    if (key === undefined) throw new InvalidPatch(`${path}: an element lacks ${mergeKey}, by which this list merges`);
    const found = places.get(JSON.stringify(key)) ?? [];
    if (fieldOf(element, "$patch") === "delete") {
      for (const index of found) rows[index] = undefined;
      places.delete(JSON.stringify(key));
      continue;
    }
    const [index = rows.length] = found;
    const before = rows[index];
    const after = mergeObject(isObject(before) ? before : {}, element, item);
    rows[index] = after;
    if (found.length === 0) file(after, index);
  }
  const merged = rows.filter((row) => row !== undefined);
  const identity = (one: Json): Json => (isObject(one) ? (fieldOf(one, mergeKey) ?? null) : one);
  return inOrder(merged, { live: original, order: order ?? elements, identity });
}
