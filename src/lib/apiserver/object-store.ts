import type { KubeObject } from "#lib/kube/types.ts";
import type { DraftObject, Lookup, ObjectKey, ResourceRef } from "./resource.ts";
import type { StoreContext } from "./resource-store.ts";

/** `metav1.DeleteOptions`, as far as it is acted on. */
export interface DeleteOptions {
  readonly gracePeriodSeconds?: number;
  readonly propagationPolicy?: "Foreground" | "Background" | "Orphan";
  readonly preconditions?: { readonly uid?: string; readonly resourceVersion?: string };
}

/** Writes to the durable kinds as the server itself makes them: with every rule of the kind, without asking who may. Resolves once on disk. */
export interface ObjectStore extends Lookup {
  create(resource: ResourceRef, object: KubeObject, context: StoreContext): Promise<KubeObject>;
  /** `change` sees the latest object and makes it what it should be; it may throw to refuse. "" as subresource is the object itself. */
  update(
    resource: ResourceRef,
    key: ObjectKey,
    change: (draft: DraftObject) => void,
    context: StoreContext & { readonly subresource: string },
  ): Promise<KubeObject>;
  /** Resolves to the object as it was removed, or as it stands marked for deletion. */
  delete(resource: ResourceRef, key: ObjectKey, options: DeleteOptions, context: StoreContext): Promise<KubeObject>;
}
