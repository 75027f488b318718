import { atOnce, type Parts } from "#lib/runtime/parts.ts";
import type { Json, JsonObject, JsonSchema } from "../openapi/schema.ts";
import { InvalidPatch, PatchNotApplicable } from "./errors.ts";
import { isObject, refuseDeeper } from "./json.ts";
import { jsonPatch } from "./json-patch.ts";
import { mergePatch } from "./merge-patch.ts";
import { strategicMergePatch } from "./strategic-merge.ts";

/** `json` is RFC 6902, `merge` RFC 7396, `strategic` the Kubernetes form that knows lists by key. */
export type PatchType = "json" | "merge" | "strategic";

const contentTypes: Readonly<Record<string, PatchType>> = {
  "application/json-patch+json": "json",
  "application/merge-patch+json": "merge",
  "application/strategic-merge-patch+json": "strategic",
};

/** The type that a `Content-Type` header asks for; undefined for one that is not served (server-side apply among them). */
export function patchTypeOf(contentType: string): PatchType | undefined {
  const media = contentType.split(";")[0]?.trim().toLowerCase() ?? "";
  return Object.hasOwn(contentTypes, media) ? contentTypes[media] : undefined;
}

export interface PatchRequest {
  readonly type: PatchType;
  readonly original: object;
  /** The body, as parsed JSON. */
  readonly patch: unknown;
  readonly definition: { readonly schema?: JsonSchema };
}

/** The object that the patch makes of `original`, which stays as it is. Throws `PatchError`, which carries what a Status needs. */
export const applyPatch = (request: PatchRequest): JsonObject => atOnce(patchedObject(request));

/** As {@link applyPatch}, in parts. */
export function* patchedObject({ type, original, patch, definition }: PatchRequest): Parts<JsonObject> {
  const object = original as JsonObject;
  const change = patch as Json;
  refuseDeeper(object);
  if (type === "json") {
    const patched = yield* jsonPatch(object, change);
    if (!isObject(patched)) throw new PatchNotApplicable("the patch leaves no object");
    return patched;
  }
  if (!isObject(change)) throw new InvalidPatch(`a ${type} patch is a JSON object`);
  refuseDeeper(change);
  yield;
  if (type === "strategic") return strategicMergePatch(object, change, definition.schema);
  return mergePatch(object, change) as JsonObject;
}
