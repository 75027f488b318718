import assert from "node:assert/strict";
import { test } from "node:test";
import { parsePrefix } from "#lib/ip/index.ts";
import type { JsonSchema } from "#lib/apiserver/openapi/schema.ts";
import { kubernetesProtobuf, kubernetesSchema } from "#lib/kube/protobuf/index.ts";
import { apiVersionOf } from "#lib/kube/index.ts";
import { kubernetesKinds } from "./index.ts";

type Row = (typeof kubernetesSchema.messages)[string][string];
type FieldType = Row[1];

/**
 * The schemas' one form of a condition has them, conditions of some kinds do not; nobody writes them there. The types of claims within a
 * StatefulSet are never in its messages, Go's neither.
 */
const harmless = /\.conditions\[\]\.(observedGeneration|lastUpdateTime)$|\.volumeClaimTemplates\[\]\.(apiVersion|kind)$/;

/** Fields that the schema lets through and no message has: they would be lost on the way to a client that takes protobuf. */
function lost(schema: JsonSchema, type: FieldType, path: string, seen: Set<string>): string[] {
  if (typeof type === "object") {
    if ("list" in type) return lost(schema.items ?? {}, type.list, `${path}[]`, seen);
    if ("map" in type)
      return typeof schema.additionalProperties === "object" ? lost(schema.additionalProperties, type.map, `${path}{}`, seen) : [];
    return [];
  }
  const message = kubernetesSchema.messages[type];
  if (message === undefined || seen.has(`${type} ${schema.$id}`)) return [];
  seen.add(`${type} ${schema.$id}`);
  const fields = new Map<string, FieldType>();
  const collect = (name: string): void => {
    for (const [field, inner, kind] of Object.values(kubernetesSchema.messages[name] ?? {}))
      if (kind === "inline" && typeof inner === "string") collect(inner);
      else fields.set(field, inner);
  };
  collect(type);
  return Object.entries(schema.properties ?? {}).flatMap(([name, inner]) => {
    if (path === "" && (name === "apiVersion" || name === "kind")) return [];
    const field = fields.get(name);
    return field === undefined ? [`${path}.${name}`] : lost(inner, field, `${path}.${name}`, seen);
  });
}

for (const definition of kubernetesKinds({ serviceCidrs: [parsePrefix("10.96.0.0/16")] })) {
  const kind = { apiVersion: apiVersionOf(definition), kind: definition.kind };
  if (!kubernetesProtobuf.knows(kind)) continue;
  test(`${kind.apiVersion} ${kind.kind}: its messages have every field of its schema`, () => {
    assert.ok(definition.schema !== undefined, "without a schema anything may stand in an object");
    const root = kubernetesSchema.roots[`${kind.apiVersion} ${kind.kind}`] ?? "";
    assert.deepEqual(
      lost(definition.schema, root, "", new Set()).filter((path) => !harmless.test(path)),
      [],
    );
  });
}
