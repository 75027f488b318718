import type { FieldRequirement } from "#lib/kube/selectors.ts";
import { matchesRequirements } from "#lib/kube/selectors.ts";
import type { KubeObject } from "#lib/kube/types.ts";
import { badRequest } from "../errors.ts";
import type { ResourceDefinition } from "../resource.ts";
import type { Selection } from "../resource-store.ts";

type Predicate = (object: KubeObject) => boolean;

/** Whether an object is selected. Throws BadRequest for a field that the kind cannot be selected by. */
export function selectionPredicate(definition: Pick<ResourceDefinition, "selectableFields">, selection: Selection): Predicate {
  const predicates: Predicate[] = [];
  const { namespace, labelSelector, fieldSelector } = selection;
  if (namespace !== undefined) predicates.push((object) => object.metadata.namespace === namespace);
  if (labelSelector.length > 0) predicates.push((object) => matchesRequirements(labelSelector, object.metadata.labels));
  for (const requirement of fieldSelector) predicates.push(fieldPredicate(definition, requirement));
  return (object) => predicates.every((predicate) => predicate(object));
}

function fieldPredicate(definition: Pick<ResourceDefinition, "selectableFields">, { path, equal, value }: FieldRequirement): Predicate {
  const read = fieldReader(definition, path);
  return (object) => (read(object) === value) === equal;
}

/** Reads a field that objects of the kind are selected by. Throws BadRequest for any other. */
export function fieldReader(
  { selectableFields = {} }: Pick<ResourceDefinition, "selectableFields">,
  path: string,
): (object: KubeObject) => string {
  const read = Object.hasOwn(selectableFields, path) ? selectableFields[path] : metadataFields[path];
  if (read !== undefined) return read;
  const known = [...Object.keys(metadataFields), ...Object.keys(selectableFields)].join(", ");
  throw badRequest(`field label not supported: ${path} (this kind knows ${known})`);
}

const metadataFields: Readonly<Record<string, (object: KubeObject) => string>> = {
  "metadata.name": (object) => object.metadata.name ?? "",
  "metadata.namespace": (object) => object.metadata.namespace ?? "",
};
