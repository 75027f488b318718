import type { Parts } from "#lib/runtime/parts.ts";
import type { KubeObject, ObjectMeta } from "#lib/kube/types.ts";
import type { FieldError } from "./field-error.ts";
import type { JsonSchema } from "./openapi/schema.ts";
import type { ResourceStore } from "./resource-store.ts";
import type { SubresourceHandler } from "./subresource.ts";
import type { UserInfo } from "./user.ts";

export type Verb = "get" | "list" | "watch" | "create" | "update" | "patch" | "delete" | "deletecollection";

/** The verbs of an ordinary stored kind. */
export const allVerbs: readonly Verb[] = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];

/** An object while it is being made: everything may still be set. Published objects are frozen by convention and never changed. */
export type Draft<Value> = Value extends readonly (infer Item)[]
  ? Draft<Item>[]
  : Value extends object
    ? { -readonly [Field in keyof Value]: Draft<Value[Field]> }
    : Value;

/** An object of an unknown kind while it is being made. */
export interface DraftObject {
  apiVersion?: string;
  kind?: string;
  metadata: Draft<ObjectMeta>;
  [field: string]: unknown;
}

/** A cell of a printed table. */
export type Cell = string | number | boolean | null;

/** One column of `kubectl get` (`metav1.TableColumnDefinition`). Columns of priority 0 are always shown, others with `-o wide`. */
export interface PrinterColumn<Kind extends KubeObject = KubeObject> {
  readonly name: string;
  readonly type: "string" | "integer" | "number" | "boolean" | "date";
  readonly format?: string;
  readonly description?: string;
  readonly priority?: number;
  /** `now` is wall time in milliseconds, for ages. */
  value(object: Kind, now: number): Cell;
}

/** What a kind's hooks may look at. Everything is answered from memory, including writes that are not yet on disk. */
export interface Lookup {
  get(resource: ResourceRef, name: ObjectKey): KubeObject | undefined;
  list(resource: ResourceRef, namespace?: string): Iterable<KubeObject>;
}

export interface ResourceRef {
  readonly group: string;
  readonly resource: string;
}

export interface ObjectKey {
  /** "" for cluster-scoped kinds. */
  readonly namespace: string;
  readonly name: string;
}

/** The request a hook runs for. Hooks are synchronous: they run between the read and the write of one object, and nothing comes between. */
export interface HookContext extends Lookup {
  readonly operation: "create" | "update";
  /** "" for the object itself, "status", "scale", … otherwise. */
  readonly subresource: string;
  readonly user: UserInfo;
  /** Wall time in milliseconds. */
  readonly now: number;
  /** Adds a `Warning:` header to the answer; kubectl prints it. */
  warn(text: string): void;
}

/** Where the scale subresource finds its numbers: paths such as `["spec", "replicas"]`. */
export interface ScalePaths {
  readonly specReplicas: readonly string[];
  readonly statusReplicas: readonly string[];
  /** The selector in the object; a `metav1.LabelSelector` or a map of labels. */
  readonly selector?: readonly string[];
}

/**
 * Everything the server must know of one kind in one version. The server itself sets and checks `apiVersion`, `kind` and `metadata`.
 * A write runs: parse → types and unknown fields by `schema` → `defaults` → required fields of `schema` → `prepare` → constraints of `schema` →
 * `validate`. `defaults` must expect that fields are missing; `prepare` and `validate` have what `schema` requires.
 */
export interface ResourceDefinition<Kind extends KubeObject = KubeObject> {
  /** "" for the core group. */
  readonly group: string;
  readonly version: string;
  /** Plural, lower case: the name in paths. */
  readonly resource: string;
  readonly singular: string;
  readonly kind: string;
  readonly listKind: string;
  readonly namespaced: boolean;
  readonly shortNames?: readonly string[];
  readonly categories?: readonly string[];
  readonly verbs: readonly Verb[];
  /** The whole object. Fields it does not name are dropped (with a warning or refused, as the request asks). Absent: anything goes. */
  readonly schema?: JsonSchema;
  /** Rules beyond the schema, in parts where they may take long. On update `old` is the stored object, for fields that must not change. */
  validate?(object: Kind, context: HookContext, old?: Kind): readonly FieldError[] | Parts<readonly FieldError[]>;
  /** Fills in what the user left out. Runs on create, on update and on objects to be patched; must be idempotent. */
  defaults?(object: Draft<Kind>): void;
  /** Server-set fields: allocations, what users may not choose. The status handling of `subresources.status` comes before. */
  readonly prepare?: {
    create?(object: Draft<Kind>, context: HookContext): void;
    update?(object: Draft<Kind>, old: Kind, context: HookContext): void;
  };
  /** `prepare` gives what no two objects of the kind may have (addresses): a write between whose hooks and commit another came is decided anew. */
  readonly allocates?: true;
  /** `metadata.generation` starts at 1 and grows with every change outside metadata and status. */
  readonly generation?: boolean;
  /** Made by a CustomResourceDefinition: failures are told in its words, and what was wrong before an update may stay. */
  readonly custom?: { readonly matchesPattern: (pattern: string, text: string) => boolean };
  /** Requests of this version get this warning. */
  readonly deprecationWarning?: string;
  /** Objects are questions that are answered and forgotten (reviews): they need no name and get no metadata. */
  readonly transient?: boolean;
  /** Rule for names. Default: DNS subdomain (RFC 1123). */
  readonly nameRule?: "subdomain" | "label" | "label1035" | "path-segment";
  /**
   * Seconds that deletion waits for somebody to finish (pods: the kubelet), given what the request asks for; 0 removes at once.
   * Absent: deletion is immediate unless finalizers are set.
   */
  deletionGraceSeconds?(object: Kind, requested: number | undefined): number;
  /** True for an object that is of no more use (old events). Looked at once a minute; `now` is wall time in milliseconds. */
  expired?(object: Kind, now: number): boolean;
  /** What deletion does with dependents when the request does not say. Default: background. */
  readonly defaultPropagation?: "Background" | "Orphan";
  /** Columns of `kubectl get`. Default: name and age. The name column is always the caller's first. */
  readonly columns?: readonly PrinterColumn<Kind>[];
  /** Fields for `fieldSelector=`, besides `metadata.name` and `metadata.namespace`. */
  readonly selectableFields?: Readonly<Record<string, (object: Kind) => string>>;
  readonly subresources?: {
    /** `/status`: the object's own writes leave `status` alone, writes of `/status` change nothing else. */
    readonly status?: true;
    /** Custom subresources whose writes are about status alone, as those of `/status` are. */
    readonly writesStatus?: readonly string[];
    readonly scale?: ScalePaths;
    readonly custom?: Readonly<Record<string, SubresourceHandler>>;
  };
  /** "durable": in the server's storage. Anything else answers for itself: in-memory views, reviews that only know `create`. */
  readonly store: "durable" | ResourceStore;
}

/** Keeps the kind's type inside the hooks and forgets it outside. */
export function defineResource<Kind extends KubeObject>(definition: ResourceDefinition<Kind>): ResourceDefinition {
  return definition as unknown as ResourceDefinition;
}

/** The same definition with more subresources, for those that need something of the process (a kubelet's address, a signing key). */
export function withSubresources(definition: ResourceDefinition, custom: Readonly<Record<string, SubresourceHandler>>): ResourceDefinition {
  const before = definition.subresources;
  return { ...definition, subresources: { ...before, custom: { ...before?.custom, ...custom } } };
}

/** `networkpolicies.networking.k8s.io`, `pods`: the name in messages and in RBAC. */
export function qualifiedName({ group, resource }: ResourceRef): string {
  return group === "" ? resource : `${resource}.${group}`;
}
