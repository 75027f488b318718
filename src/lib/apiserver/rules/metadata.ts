import type { KubeObject } from "#lib/kube/types.ts";
import type { Parts } from "#lib/runtime/parts.ts";
import { type FieldError, forbiddenField, invalid, required, tooLong } from "../field-error.ts";
import type { ResourceDefinition } from "../resource.ts";
import { labelValue, nameRuleOf, qualifiedName } from "./names.ts";

/** All keys and values of the annotations of one object. */
const annotationLimitBytes = 256 * 1024;

/** Labels that are checked between two rests. */
const longCheck = 1_000;

/** The rules that hold for the metadata of every kind. `old` is the stored object of an update. */
export function* checkMetadata(definition: ResourceDefinition, { metadata }: KubeObject, old?: KubeObject): Parts<FieldError[]> {
  const errors: FieldError[] = [];
  const check = (field: string, value: string, problem: string | undefined): void => {
    if (problem !== undefined) errors.push(invalid(field, value, problem));
  };
  const { name = "", labels = {}, annotations = {}, finalizers = [], ownerReferences = [] } = metadata;
  if (name === "") errors.push(required("metadata.name", "name or generateName is required"));
  else check("metadata.name", name, nameRuleOf(definition)(name));
  for (const [index, [key, value]] of Object.entries(labels).entries()) {
    if (index % longCheck === 0) yield;
    check("metadata.labels", key, qualifiedName(key));
    check("metadata.labels", value, labelValue(value));
  }
  let annotationBytes = 0;
  for (const [key, value] of Object.entries(annotations)) {
    check("metadata.annotations", key, qualifiedName(key.toLowerCase()));
    annotationBytes += Buffer.byteLength(key) + Buffer.byteLength(value);
  }
  if (annotationBytes > annotationLimitBytes) errors.push(tooLong("metadata.annotations", annotationLimitBytes));
  for (const [index, finalizer] of finalizers.entries()) check(`metadata.finalizers[${index}]`, finalizer, qualifiedName(finalizer));
  errors.push(...addedFinalizers(finalizers, old));
  for (const [index, owner] of ownerReferences.entries()) {
    for (const field of ["apiVersion", "kind", "name", "uid"] as const)
      if (!owner[field]) errors.push(required(`metadata.ownerReferences[${index}].${field}`));
  }
  if (ownerReferences.filter(({ controller }) => controller).length > 1)
    errors.push(invalid("metadata.ownerReferences", ownerReferences.length, "only one owner may have controller set to true"));
  return errors;
}

function addedFinalizers(finalizers: readonly string[], old: KubeObject | undefined): FieldError[] {
  if (old?.metadata.deletionTimestamp === undefined) return [];
  const present = new Set(old.metadata.finalizers);
  const added = finalizers.filter((finalizer) => !present.has(finalizer));
  return added.length === 0
    ? []
    : [
        forbiddenField(
          "metadata.finalizers",
          `no finalizer can be added to an object that is being deleted, found ${JSON.stringify(added)}`,
        ),
      ];
}
