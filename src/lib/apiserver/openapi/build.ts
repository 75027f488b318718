import type { JsonSchema } from "./schema.ts";

/** Further keywords of a schema. */
export type Extra = Omit<JsonSchema, "type" | "properties" | "items" | "description" | "$id">;

/** Short forms for the schemas of kinds. Each takes the description that `kubectl explain` prints. */
export const string = (description: string, extra: Extra = {}): JsonSchema => ({ description, type: "string", ...extra });
export const boolean = (description: string, extra: Extra = {}): JsonSchema => ({ description, type: "boolean", ...extra });
export const int32 = (description: string, extra: Extra = {}): JsonSchema => ({ description, type: "integer", format: "int32", ...extra });
export const int64 = (description: string, extra: Extra = {}): JsonSchema => ({ description, type: "integer", format: "int64", ...extra });
export const bytes = (description: string): JsonSchema => ({ description, type: "string", format: "byte" });

/** A list that patches and applies replace as a whole. */
export const list = (items: JsonSchema, description: string): JsonSchema => ({
  description,
  type: "array",
  items,
  "x-kubernetes-list-type": "atomic",
});

/** A list of objects told apart by a field: patches merge element by element. `mapKeys` names further fields of the identity. */
export const listBy = (mergeKey: string, items: JsonSchema, description: string, mapKeys: readonly string[] = [mergeKey]): JsonSchema => ({
  description,
  type: "array",
  items,
  "x-kubernetes-list-type": "map",
  "x-kubernetes-list-map-keys": mapKeys,
  "x-kubernetes-patch-strategy": "merge",
  "x-kubernetes-patch-merge-key": mergeKey,
});

/** A list of scalars without repetition: patches add to it. */
export const set = (items: JsonSchema, description: string): JsonSchema => ({
  description,
  type: "array",
  items,
  "x-kubernetes-list-type": "set",
  "x-kubernetes-patch-strategy": "merge",
});

export const map = (values: JsonSchema, description: string): JsonSchema => ({ description, type: "object", additionalProperties: values });

/** A struct that OpenAPI publishes under `id`. */
export const part = (
  id: string,
  description: string,
  properties: Record<string, JsonSchema>,
  required: readonly string[] = [],
  extra: Extra = {},
): JsonSchema => ({
  $id: id,
  description,
  type: "object",
  properties,
  ...(required.length === 0 ? {} : { required }),
  ...extra,
});

/** A shared part, described for this use of it. */
export const use = (shared: JsonSchema, description: string, extra: Extra = {}): JsonSchema => ({
  ...shared,
  $use: description,
  $shared: shared.$shared ?? shared,
  ...extra,
});

/** A structure that this server stores as it is given, without looking inside. */
export const opaque = (description: string): JsonSchema => ({
  description,
  type: "object",
  "x-kubernetes-preserve-unknown-fields": true,
});
