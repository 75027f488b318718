import type { Json, JsonObject } from "../openapi/schema.ts";
import { fieldOf, isObject } from "./json.ts";

/** JSON merge patch (RFC 7396 §2): objects merge field by field, null removes, everything else replaces. */
export function mergePatch(original: Json | undefined, patch: Json): Json {
  if (!isObject(patch)) return patch;
  const target: JsonObject = isObject(original) ? original : {};
  const merged = new Map(Object.entries(target));
  for (const [name, change] of Object.entries(patch)) {
    if (change === null) merged.delete(name);
    else merged.set(name, mergePatch(fieldOf(target, name), change));
  }
  return Object.fromEntries(merged);
}
