import type { KubeObject } from "#lib/kube/types.ts";
import type { Parts } from "#lib/runtime/parts.ts";
import { badRequest, conflict } from "../errors.ts";
import type { Json } from "../openapi/schema.ts";
import { copyOf, jsonEqual } from "../patch/json.ts";
import type { Draft, DraftObject, ResourceDefinition } from "../resource.ts";
import type { RuleContext } from "./context.ts";
import { ownersAfterUpdate } from "../managed-fields/managers.ts";
import { check, requireComplete, timestamp } from "./create.ts";
import { decode } from "./decode.ts";

/**
 * The object that an update stores in the place of `old`. Changes `body`. Returns `old` itself when nothing changes.
 * Throws {@link StatusError}: Conflict when `body` names another resourceVersion or UID.
 */
export function* objectToUpdate(definition: ResourceDefinition, body: unknown, old: KubeObject, context: RuleContext): Parts<KubeObject> {
  const draft = yield* decode(definition, body, context);
  checkIdentity(definition, draft, old);
  const { managedFields } = draft.metadata;
  keepServerSetFields(draft, old);
  if (definition.subresources?.status) separateStatus(definition, { draft, old, subresource: context.subresource });
  yield* requireComplete(definition, draft);
  definition.prepare?.update?.(draft as never, old, context);
  if (definition.generation) {
    const generation = old.metadata.generation ?? 1;
    draft.metadata.generation = desiredStateChanged(draft, old) ? generation + 1 : generation;
    yield;
  }
  yield* track(definition, draft, { ...(managedFields === undefined ? {} : { given: managedFields }), old, context });
  yield;
  if (jsonEqual(draft as Json, old as unknown as Json)) return old;
  yield;
  yield* check(definition, draft as KubeObject, context, old);
  return draft as KubeObject;
}

/** `given` are the owners as the request has them: those of an apply, or those that a client read and may have changed. */
function* track(
  definition: ResourceDefinition,
  draft: DraftObject,
  {
    given,
    old,
    context,
  }: { readonly given?: DraftObject["metadata"]["managedFields"]; readonly old: KubeObject; readonly context: RuleContext },
): Parts<void> {
  const { fieldManager: manager, subresource, now } = context;
  delete draft.metadata.managedFields;
  if (manager === undefined) {
    if (old.metadata.managedFields !== undefined) draft.metadata.managedFields = old.metadata.managedFields as never;
    return;
  }
  if (given !== undefined) draft.metadata.managedFields = given;
  if (typeof manager !== "string") return;
  const owners = yield* ownersAfterUpdate(definition, { old, now: draft as KubeObject }, { manager, subresource, time: timestamp(now) });
  if (owners.length > 0) draft.metadata.managedFields = owners as never;
  else delete draft.metadata.managedFields;
}

function checkIdentity(definition: ResourceDefinition, { metadata }: DraftObject, old: KubeObject): void {
  const { name = "", namespace, uid, resourceVersion } = old.metadata;
  metadata.name ??= name;
  if (metadata.name !== name) throw badRequest(`the name of the object (${metadata.name}) does not match the name on the URL (${name})`);
  if (definition.namespaced && metadata.namespace && metadata.namespace !== namespace)
    throw badRequest(
      `the namespace of the provided object does not match the namespace sent on the request (${metadata.namespace}, ${namespace})`,
    );
  if (metadata.uid && metadata.uid !== uid)
    throw conflict(definition, name, `Precondition failed: UID in precondition: ${metadata.uid}, UID in object meta: ${uid}`);
  if (metadata.resourceVersion && metadata.resourceVersion !== resourceVersion) throw conflict(definition, name);
}

const keptFields = [
  "namespace",
  "uid",
  "resourceVersion",
  "generateName",
  "generation",
  "creationTimestamp",
  "deletionTimestamp",
  "deletionGracePeriodSeconds",
] as const;

function keepServerSetFields({ metadata }: DraftObject, old: KubeObject): void {
  const unkept = metadata as Record<string, unknown>;
  delete unkept.selfLink;
  for (const field of keptFields) {
    const value = old.metadata[field];
    if (value === undefined) delete unkept[field];
    else unkept[field] = value;
  }
}

/** The object's own writes leave status alone; writes of status leave everything else alone, but for annotations of built-in kinds, as Kubernetes does. */
function separateStatus(
  { subresources: { writesStatus = [] } = {}, custom }: ResourceDefinition,
  { draft, old, subresource }: { readonly draft: DraftObject; readonly old: KubeObject; readonly subresource: string },
): void {
  const { status } = old as { readonly status?: unknown };
  if (subresource !== "status" && !writesStatus.includes(subresource)) {
    if (status === undefined) delete draft.status;
    else draft.status = status;
    return;
  }
  const { annotations } = draft.metadata;
  for (const field of Object.keys(draft)) if (field !== "status") delete draft[field];
  const { status: _, ...rest } = old as KubeObject & { readonly status?: unknown };
  Object.assign(draft, copyOf(rest) as Draft<KubeObject>);
  if (subresource !== "status" || custom !== undefined) return;
  if (annotations === undefined) delete draft.metadata.annotations;
  else draft.metadata.annotations = annotations;
}

function desiredStateChanged(draft: DraftObject, old: KubeObject): boolean {
  const desired = ({ metadata: _metadata, status: _status, ...rest }: Record<string, unknown>): Record<string, unknown> => rest;
  return !jsonEqual(desired({ ...draft }) as Json, desired({ ...old }) as Json);
}
