import type { KubeObject } from "#lib/kube/types.ts";
import type { DeleteOptions } from "../object-store.ts";
import type { ObjectKey, ResourceDefinition } from "../resource.ts";
import type { Awaitable, Selection, StoreContext, StoreList, StoreListOptions, StoreWatchOptions, WatchSink } from "../resource-store.ts";
import type { FieldValidation } from "../rules/context.ts";

export interface WriteContext extends StoreContext {
  readonly fieldValidation: FieldValidation;
}

/** An object, and the subresource ("" for the object itself) through which it is written. */
export interface WriteTarget {
  readonly key: ObjectKey;
  readonly subresource: string;
}

/** The verbs of one kind, however it is stored. Failures are thrown as {@link StatusError}. */
export interface KindHandler {
  readonly definition: ResourceDefinition;
  get(key: ObjectKey, context: StoreContext): Awaitable<KubeObject>;
  list(options: StoreListOptions, context: StoreContext): Awaitable<StoreList>;
  watch(options: StoreWatchOptions, sink: WatchSink, context: StoreContext): Awaitable<() => void>;
  /** `body` is parsed JSON of any shape; it is changed. */
  create(namespace: string, body: unknown, context: WriteContext): Promise<KubeObject>;
  /** `bodyOf` makes the new object out of the present one: a replacement ignores it, a patch applies to it. It may throw to refuse. */
  update(target: WriteTarget, bodyOf: (present: KubeObject) => unknown, context: WriteContext): Promise<KubeObject>;
  /** `removed` is false for an object that waits, marked, for finalizers or grace. */
  delete(key: ObjectKey, options: DeleteOptions, context: StoreContext): Promise<Deleted>;
  deleteCollection(selection: Selection, options: DeleteOptions, context: StoreContext): Promise<StoreList>;
}

export interface Deleted {
  readonly object: KubeObject;
  readonly removed: boolean;
}
