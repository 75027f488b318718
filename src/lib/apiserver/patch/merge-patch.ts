import type { Json, JsonObject } from "../openapi/schema.ts";
import { fieldOf, isObject, setField } from "./json.ts";

/** JSON merge patch (RFC 7396 §2): objects merge field by field, null removes, everything else replaces. */
export function mergePatch(original: Json | undefined, patch: Json): Json {
  if (!isObject(patch)) return patch;
  const target: JsonObject = isObject(original) ? original : {};
  const merged: Record<string, Json> = { ...target };
  for (const name of Object.keys(patch)) {
    const change = patch[name] ?? null;
    if (change === null) delete merged[name];
    else setField(merged, name, mergePatch(fieldOf(target, name), change));
  }
  return merged;
}
