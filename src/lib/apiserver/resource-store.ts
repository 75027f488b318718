import type { FieldRequirement, Requirement } from "#lib/kube/selectors.ts";
import type { KubeObject, Status } from "#lib/kube/types.ts";
import type { ObjectKey } from "./resource.ts";
import type { UserInfo } from "./user.ts";

/** What a store may know of the request it answers. */
export interface StoreContext {
  readonly user: UserInfo;
  /** Everything behind the `?`, for parameters of the store's own. */
  readonly parameters: URLSearchParams;
  /** Aborted when the client is gone or the server stops. */
  readonly signal: AbortSignal;
  readonly dryRun: boolean;
  /** Whoever must be asked (webhooks) has allowed the request that this is a part of. */
  readonly admitted?: true;
  /** Adds a `Warning:` header to the answer. */
  warn(text: string): void;
}

/** Which objects. Selectors are parsed; a store need not look at them when it cannot hold what they exclude. */
export interface Selection {
  /** Absent: all namespaces. */
  readonly namespace?: string;
  readonly labelSelector: readonly Requirement[];
  readonly fieldSelector: readonly FieldRequirement[];
}

export interface StoreListOptions extends Selection {
  /** Absent: everything. */
  readonly limit?: number;
  /** The token of an earlier answer. */
  readonly continue?: string;
  /** Absent: the latest. "0": any. */
  readonly resourceVersion?: string;
  readonly resourceVersionMatch?: "Exact" | "NotOlderThan";
}

export interface StoreList {
  readonly resourceVersion: string;
  readonly items: readonly KubeObject[];
  readonly continue?: string;
  readonly remainingItemCount?: number;
}

export interface StoreWatchOptions extends Selection {
  /** Events after this version. Absent or "0": first every present object as ADDED. */
  readonly resourceVersion?: string;
  readonly allowBookmarks: boolean;
  /** `sendInitialEvents=true`: the present objects, then a bookmark annotated `k8s.io/initial-events-end: "true"`, then changes. */
  readonly sendInitialEvents: boolean;
  /** `sendInitialEvents=false`: only changes from now on, where no version is given. */
  readonly withoutInitialEvents?: true;
}

/** One event for a watcher. The same frozen object sent to many watchers is encoded once. */
export type StoreEvent =
  | {
      readonly type: "ADDED" | "MODIFIED" | "DELETED" | "BOOKMARK";
      readonly object: KubeObject;
      /** Made for this watcher: nobody else is sent this object, so nothing is kept of it for others. */
      readonly own?: true;
    }
  | { readonly type: "ERROR"; readonly object: Status; readonly own?: true };

/** The way to one watcher. */
export interface WatchSink {
  /** False when the watcher is gone or too slow: it has been closed, send no more. */
  send(event: StoreEvent): boolean;
  /** Ends the watch; the client comes back by itself. */
  close(): void;
  /** Bytes of it that have not left this process; where nothing waits, absent. */
  readonly pendingBytes?: number;
}

export type Awaitable<Value> = Value | Promise<Value>;

/**
 * A store of a kind that answers for itself: the controller's views, reviews. Failures are thrown as {@link StatusError}.
 * A method that is absent is a verb that the definition must not name.
 */
export interface ResourceStore {
  /** Throws NotFound. */
  get?(key: ObjectKey, context: StoreContext): Awaitable<KubeObject>;
  list?(options: StoreListOptions, context: StoreContext): Awaitable<StoreList>;
  /** Starts sending, possibly before it returns. Throws Expired when the version is too old. Returns the way to stop; it is called once. */
  watch?(options: StoreWatchOptions, sink: WatchSink, context: StoreContext): Awaitable<() => void>;
  /** The object has its name (also when generated), namespace and creation metadata set and is checked against the definition. */
  create?(object: KubeObject, context: StoreContext): Awaitable<KubeObject>;
  /** Replaces; `metadata.resourceVersion`, when set, must be the present one. */
  update?(key: ObjectKey, object: KubeObject, context: StoreContext): Awaitable<KubeObject>;
  delete?(key: ObjectKey, context: StoreContext): Awaitable<KubeObject>;
}
