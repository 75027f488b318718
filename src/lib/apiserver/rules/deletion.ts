import type { KubeObject } from "#lib/kube/types.ts";
import { badRequest, conflict } from "../errors.ts";
import type { DeleteOptions } from "../object-store.ts";
import type { Draft, ResourceDefinition } from "../resource.ts";
import { timestamp } from "./create.ts";

/** Kept by the garbage collector until the dependents are gone. */
export const foregroundFinalizer = "foregroundDeletion";
/** Kept by the garbage collector until the dependents have forgotten this owner. */
export const orphanFinalizer = "orphan";

/** What deleting an object comes to. */
export type Deletion =
  | { readonly action: "remove"; readonly object: KubeObject }
  | { readonly action: "mark"; readonly object: KubeObject }
  | { readonly action: "nothing"; readonly object: KubeObject };

/** Decides by the object, the request and the kind. Throws Conflict when a precondition does not hold. */
export function deletionOf(definition: ResourceDefinition, object: KubeObject, options: DeleteOptions, now: number): Deletion {
  checkPreconditions(definition, object, options);
  const requested = options.gracePeriodSeconds;
  if (requested !== undefined && requested < 0) throw badRequest(`gracePeriodSeconds ${requested} is negative`);
  const grace = definition.deletionGraceSeconds?.(object, requested) ?? 0;
  const finalizers = finalizersFor(definition, object, options);
  const held = finalizers.length > 0 || hasContent(object);
  const marked = object.metadata.deletionTimestamp !== undefined;
  const before = object.metadata.deletionGracePeriodSeconds ?? 0;
  if (!held && grace === 0) return { action: "remove", object };
  if (marked && grace >= before && sameList(finalizers, object.metadata.finalizers ?? [])) return { action: "nothing", object };
  const draft = structuredClone(object) as Draft<KubeObject>;
  const { metadata } = draft;
  if (finalizers.length > 0) metadata.finalizers = [...finalizers];
  else delete metadata.finalizers;
  const effective = marked ? Math.min(grace, before) : grace;
  if (!marked || effective < before) {
    metadata.deletionTimestamp = timestamp(now + effective * 1_000);
    metadata.deletionGracePeriodSeconds = effective;
  }
  if (!marked && metadata.generation !== undefined) metadata.generation++;
  return { action: "mark", object: draft as KubeObject };
}

/** True when an object that is being deleted has nothing left that holds it. */
export function isReleased(object: KubeObject): boolean {
  const { deletionTimestamp, deletionGracePeriodSeconds = 0, finalizers = [] } = object.metadata;
  return deletionTimestamp !== undefined && deletionGracePeriodSeconds === 0 && finalizers.length === 0 && !hasContent(object);
}

/** Namespaces have finalizers of their own in `spec`: the namespace's content is still to be removed. */
function hasContent(object: KubeObject): boolean {
  if (object.kind !== "Namespace" || object.apiVersion !== "v1") return false;
  const { finalizers = [] } = (object as { spec?: { finalizers?: readonly string[] } }).spec ?? {};
  return finalizers.length > 0;
}

function finalizersFor(definition: ResourceDefinition, object: KubeObject, { propagationPolicy }: DeleteOptions): readonly string[] {
  const present = object.metadata.finalizers ?? [];
  const policy = propagationPolicy ?? inheritedPolicy(present) ?? definition.defaultPropagation ?? "Background";
  const others = present.filter((finalizer) => finalizer !== foregroundFinalizer && finalizer !== orphanFinalizer);
  if (policy === "Foreground") return [...others, foregroundFinalizer];
  return policy === "Orphan" ? [...others, orphanFinalizer] : others;
}

function inheritedPolicy(finalizers: readonly string[]): DeleteOptions["propagationPolicy"] {
  if (finalizers.includes(foregroundFinalizer)) return "Foreground";
  return finalizers.includes(orphanFinalizer) ? "Orphan" : undefined;
}

function checkPreconditions(definition: ResourceDefinition, { metadata }: KubeObject, { preconditions = {} }: DeleteOptions): void {
  const { name = "", uid, resourceVersion } = metadata;
  if (preconditions.uid !== undefined && preconditions.uid !== uid)
    throw conflict(definition, name, `Precondition failed: UID in precondition: ${preconditions.uid}, UID in object meta: ${uid}`);
  if (preconditions.resourceVersion !== undefined && preconditions.resourceVersion !== resourceVersion)
    throw conflict(
      definition,
      name,
      `Precondition failed: ResourceVersion in precondition: ${preconditions.resourceVersion}, ResourceVersion in object meta: ${resourceVersion}`,
    );
}

const sameList = (left: readonly string[], right: readonly string[]): boolean =>
  left.length === right.length && new Set(left).isSubsetOf(new Set(right));
