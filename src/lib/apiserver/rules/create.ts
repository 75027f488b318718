import type { KubeObject } from "#lib/kube/types.ts";
import { nameSuffix, uuid } from "#lib/runtime/random.ts";
import type { Parts } from "#lib/runtime/parts.ts";
import { badRequest, invalidObject, methodNotAllowed } from "../errors.ts";
import { ownersAfterUpdate } from "../managed-fields/managers.ts";
import type { FieldError } from "../field-error.ts";
import type { DraftObject, ResourceDefinition } from "../resource.ts";
import type { RuleContext } from "./context.ts";
import { decode } from "./decode.ts";
import { checkMetadata } from "./metadata.ts";
import { constraintErrors } from "./constraints.ts";

/** Longest name that is made of a prefix and a suffix of five (`names.SimpleNameGenerator`). */
const generatedPrefixLength = 58;

/**
 * The object that a create request stores: decoded, named, with the fields that the server sets, and checked by every rule of the kind.
 * Changes `body`. Throws {@link StatusError}.
 */
export function* objectToCreate(definition: ResourceDefinition, body: unknown, namespace: string, context: RuleContext): Parts<KubeObject> {
  const draft = yield* decode(definition, body, context);
  const { metadata } = draft;
  if (metadata.resourceVersion) throw badRequest("resourceVersion should not be set on objects to be created");
  placeInNamespace(definition, draft, namespace);
  for (const field of serverSetFields) delete (metadata as Record<string, unknown>)[field];
  if (typeof context.fieldManager !== "object") delete metadata.managedFields;
  if (!definition.transient) setMetadata(definition, draft, context);
  if (definition.subresources?.status) delete draft.status;
  yield* requireComplete(definition, draft);
  definition.prepare?.create?.(draft as never, context);
  yield* check(definition, draft as KubeObject, context);
  yield* trackCreated(definition, draft, context);
  return draft as KubeObject;
}

/** A new object belongs to who makes it; one that is made by an apply says so itself. */
function* trackCreated(definition: ResourceDefinition, draft: DraftObject, context: RuleContext): Parts<void> {
  const { fieldManager: manager, now } = context;
  if (typeof manager !== "string" || definition.transient) return;
  const writer = { manager, subresource: "", time: timestamp(now) };
  const managedFields = yield* ownersAfterUpdate(definition, { now: draft as KubeObject }, writer);
  if (managedFields.length > 0) draft.metadata.managedFields = managedFields as never;
}

function setMetadata(definition: ResourceDefinition, { metadata }: DraftObject, context: RuleContext): void {
  if (!metadata.name && metadata.generateName)
    metadata.name = `${metadata.generateName.slice(0, generatedPrefixLength)}${nameSuffix(context.random)}`;
  metadata.uid = uuid(context.random);
  metadata.creationTimestamp = timestamp(context.now);
  if (definition.generation) metadata.generation = 1;
}

/** Refuses an object that lacks what the schema requires, so that the hooks of the kind may rely on its type. */
export function* requireComplete(definition: ResourceDefinition, draft: DraftObject): Parts<void> {
  if (definition.schema === undefined) return;
  // users of custom kinds are told all at once, with what their rules say
  if (definition.custom) return;
  const errors = yield* constraintErrors(definition.schema, draft);
  if (errors.some(({ type }) => type === "FieldValueRequired")) throw invalidObject(definition, draft.metadata.name ?? "", errors);
}

/** Every rule of the kind on a finished object. */
export function* check(definition: ResourceDefinition, object: KubeObject, context: RuleContext, old?: KubeObject): Parts<void> {
  const ofMetadata = definition.transient ? [] : yield* checkMetadata(definition, object, old);
  yield;
  const errors = [...ofMetadata, ...(yield* newErrors(definition, object, old))];
  yield;
  if (errors.length === 0 || !definition.custom) {
    const found = definition.validate?.(object, context, old) ?? [];
    errors.push(...("next" in found ? yield* found : found));
  } else errors.push(unaskedRules);
  yield;
  const [first] = errors;
  if (first === undefined) return;
  const once = new Map(errors.map((error) => [`${error.field} ${error.message}`, error]));
  throw invalidObject(definition, object.metadata.name ?? object.metadata.generateName ?? "", [...once.values()]);
}

/** Rules of custom kinds may count on what the schema says, so they are not asked about an object that breaks it. */
const unaskedRules: FieldError = {
  type: "FieldValueInvalid",
  field: "<nil>",
  message:
    'Invalid value: "null": some validation rules were not checked because the object was invalid; correct the existing errors to complete validation',
};

/** What was wrong before an update and still stands does not stop it: CRDs may become stricter while objects of them exist. */
function* newErrors({ schema, custom }: ResourceDefinition, object: KubeObject, old: KubeObject | undefined): Parts<FieldError[]> {
  if (schema === undefined) return [];
  const errors = yield* constraintErrors(schema, object, custom?.matchesPattern);
  if (errors.length === 0 || old === undefined || !custom) return errors;
  const before = new Set((yield* constraintErrors(schema, old, custom.matchesPattern)).map(({ field, message }) => `${field} ${message}`));
  return errors.filter(({ field, message }) => !before.has(`${field} ${message}`));
}

/** RFC 3339 in whole seconds, as `metav1.Time` is written. */
export const timestamp = (wallMs: number): string => `${new Date(wallMs).toISOString().slice(0, 19)}Z`;

const serverSetFields = [
  "uid",
  "resourceVersion",
  "creationTimestamp",
  "generation",
  "deletionTimestamp",
  "deletionGracePeriodSeconds",
  "selfLink",
] as const;

function placeInNamespace(definition: ResourceDefinition, { metadata }: DraftObject, namespace: string): void {
  if (!definition.namespaced) {
    delete metadata.namespace;
    return;
  }
  if (namespace === "") throw methodNotAllowed(definition, "create without a namespace");
  if (metadata.namespace && metadata.namespace !== namespace)
    throw badRequest(
      `the namespace of the provided object does not match the namespace sent on the request (${metadata.namespace}, ${namespace})`,
    );
  metadata.namespace = namespace;
}
