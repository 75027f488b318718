import type { JsonObject } from "../openapi/schema.ts";
import { InvalidPatch } from "./errors.ts";
import { fieldOf, isArray } from "./json.ts";

/** `$setElementOrder/FIELD`: the order of a merging list after the patch. */
export const orderPrefix = "$setElementOrder/";
/** `$deleteFromPrimitiveList/FIELD`: scalars to take out of a merging list. */
export const deletePrefix = "$deleteFromPrimitiveList/";

export function isDirective(name: string): boolean {
  return name === "$patch" || name === "$retainKeys" || name.startsWith(orderPrefix) || name.startsWith(deletePrefix);
}

/** What the directives of an object in a patch leave: the whole result, or the base that the remaining fields merge into. */
type Directed = { readonly done: true; readonly result: JsonObject } | { readonly done: false; readonly base: JsonObject };

/** Carries out `$patch` (`replace`: the patch is the result; `delete`: nothing is) and `$retainKeys` (all other fields of the original go). */
export function applyDirectives(original: JsonObject, patch: JsonObject, path: string): Directed {
  const where = path === "" ? "the patch" : path;
  const directive = fieldOf(patch, "$patch");
  if (directive === "replace")
    return { done: true, result: Object.fromEntries(Object.entries(patch).filter(([name]) => !isDirective(name))) };
  if (directive === "delete") return { done: true, result: {} };
  if (directive !== undefined) throw new InvalidPatch(`${where}: $patch ${JSON.stringify(directive)} is none of replace, delete`);
  const retained = fieldOf(patch, "$retainKeys");
  if (retained === undefined) return { done: false, base: original };
  if (!isArray(retained)) throw new InvalidPatch(`${where}: $retainKeys is not a list`);
  const kept = new Set(retained);
  const stray = Object.entries(patch).find(([name, value]) => !isDirective(name) && value !== null && !kept.has(name));
  if (stray !== undefined) throw new InvalidPatch(`${where}: ${stray[0]} is set but not in $retainKeys`);
  return { done: false, base: Object.fromEntries(Object.entries(original).filter(([name]) => kept.has(name))) };
}
