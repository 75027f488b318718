import type { IncomingMessage, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import type { KubeObject } from "#lib/kube/types.ts";
import type { ObjectStore } from "./object-store.ts";
import type { JsonObject } from "./openapi/schema.ts";
import type { ObjectKey, Verb } from "./resource.ts";
import type { Awaitable, StoreContext } from "./resource-store.ts";

/** A request to a subresource of an object. */
export interface SubresourceRequest extends StoreContext {
  readonly key: ObjectKey;
  /** What follows the subresource in the path: `pods/web/proxy/a/b` → `a/b`. */
  readonly rest: string;
  /** Reads and writes of this server's durable kinds. */
  readonly objects: ObjectStore;
}

/** The raw connection of a request that a subresource answers itself, in bytes. */
export interface RawExchange {
  readonly request: IncomingMessage;
  /** The ordinary answer, or for an `Upgrade` request the bare socket with what had been read of it already. */
  readonly answer:
    | { readonly kind: "response"; readonly response: ServerResponse }
    | { readonly kind: "upgrade"; readonly socket: Duplex; readonly head: Buffer };
}

/** The options of a connection as an object without its type: `PodExecOptions` and the like. */
export interface ConnectionOptions {
  /** `path` is that of the request, as it was asked for. */
  of(request: SubresourceRequest, path: string): JsonObject;
  /** The request with options that a webhook has changed. Absent: they cannot change. */
  applied?(request: SubresourceRequest, options: JsonObject): SubresourceRequest;
}

/** A subresource with a life of its own: binding, eviction, token, exec. Failures are thrown as {@link StatusError}. */
export interface SubresourceHandler {
  /** As discovery shows it; `group` and `version` when they differ from the resource's. */
  readonly kind: string;
  readonly group?: string;
  readonly version?: string;
  /** As discovery shows them and RBAC checks them: GET → get, POST → create, PUT → update, PATCH → patch. */
  readonly verbs: readonly Verb[];
  get?(request: SubresourceRequest): Awaitable<KubeObject>;
  create?(request: SubresourceRequest, body: KubeObject): Awaitable<KubeObject>;
  update?(request: SubresourceRequest, body: KubeObject): Awaitable<KubeObject>;
  /** What webhooks hear of a connection, of the kind `kind`. Absent: they do not hear of it, as of logs, which are read. */
  readonly options?: ConnectionOptions;
  /** Takes over every request instead, GET as well as POST, upgraded or not. Throws before it has answered, or never. */
  connect?(request: SubresourceRequest, exchange: RawExchange): Awaitable<void>;
}
