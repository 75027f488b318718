import type { KubeObject } from "#lib/kube/types.ts";
import { type Pace, type Parts, withoutRest } from "#lib/runtime/parts.ts";
import type { DeleteOptions } from "../object-store.ts";
import type { JsonObject } from "../openapi/schema.ts";
import type { ObjectKey, ResourceDefinition } from "../resource.ts";
import type { Awaitable, Selection, StoreContext, StoreList, StoreListOptions, StoreWatchOptions, WatchSink } from "../resource-store.ts";
import type { BodyFindings, FieldValidation } from "../rules/context.ts";

export interface WriteContext extends StoreContext {
  readonly fieldValidation: FieldValidation;
  /** What is odd in the text of the body. Absent: nothing. */
  readonly findings?: BodyFindings;
  /** Who owns what this request writes. Absent for the server's own writes. */
  readonly fieldManager?: string;
  /** How the work of this request goes on. Absent: without a rest. */
  readonly pace?: Pace;
}

export const paceOf = ({ pace = withoutRest }: WriteContext): Pace => pace;

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
  update(target: WriteTarget, bodyOf: (present: KubeObject) => Parts<unknown>, context: WriteContext): Promise<KubeObject>;
  /** Server-side apply: makes the object, or gives it the fields of `config` and takes those of the manager's last apply that it no longer names. */
  apply?(target: WriteTarget, request: ApplyRequest, context: WriteContext & { readonly fieldManager: string }): Promise<Applied>;
  /** `removed` is false for an object that waits, marked, for finalizers or grace. */
  delete(key: ObjectKey, options: DeleteOptions, context: StoreContext): Promise<Deleted>;
  deleteCollection(selection: Selection, options: DeleteOptions, context: StoreContext): Promise<StoreList>;
}

export interface ApplyRequest {
  readonly config: JsonObject;
  /** Take fields over that other managers have set. */
  readonly force: boolean;
  /** Throws when the user may not make objects; asked where there is none yet. */
  mayCreate(): Promise<void>;
}

export interface Applied {
  readonly object: KubeObject;
  readonly created: boolean;
}

export interface Deleted {
  readonly object: KubeObject;
  readonly removed: boolean;
}
