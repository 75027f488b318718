import type { ResourceDefinition, Verb } from "../resource.ts";
import type { SubresourceHandler } from "../subresource.ts";

/** What `x-kubernetes-group-version-kind` holds. */
export interface GroupVersionKind {
  readonly group: string;
  readonly version: string;
  readonly kind: string;
}

/** The shape of a body or an answer. */
export type Payload = "object" | "list" | "status" | "deleteOptions" | "patch" | "any";

/** One operation on one path, in no dialect yet. */
export interface Operation {
  readonly method: "get" | "post" | "put" | "patch" | "delete";
  /** `x-kubernetes-action`. */
  readonly action: string;
  readonly id: string;
  readonly description: string;
  readonly gvk: GroupVersionKind;
  readonly query: readonly string[];
  readonly body?: Payload;
  readonly answer: Payload;
}

export interface PathOperations {
  readonly path: string;
  /** Names of the variables of the path. */
  readonly variables: readonly string[];
  readonly definition: ResourceDefinition;
  readonly operations: readonly Operation[];
}

const listQuery = [
  "allowWatchBookmarks",
  "continue",
  "fieldSelector",
  "labelSelector",
  "limit",
  "resourceVersion",
  "resourceVersionMatch",
  "sendInitialEvents",
  "timeoutSeconds",
  "watch",
];
const writeQuery = ["dryRun", "fieldManager", "fieldValidation"];
const deleteQuery = ["dryRun", "gracePeriodSeconds", "orphanDependents", "propagationPolicy"];

/** What the query parameters of all operations hold. */
export const queryParameters: Readonly<Record<string, { readonly type: "string" | "integer" | "boolean"; readonly description: string }>> =
  {
    allowWatchBookmarks: { type: "boolean", description: "Send events that carry nothing but a resourceVersion." },
    continue: { type: "string", description: "Token of an earlier part of a list." },
    dryRun: { type: "string", description: "All: check everything, change nothing." },
    fieldManager: { type: "string", description: "Who writes: the owner of the fields that change." },
    fieldSelector: { type: "string", description: "Only objects with these values of fields." },
    fieldValidation: { type: "string", description: "Strict refuses unknown fields, Warn tells of them, Ignore drops them." },
    gracePeriodSeconds: { type: "integer", description: "Seconds until removal." },
    labelSelector: { type: "string", description: "Only objects with these labels." },
    limit: { type: "integer", description: "At most this many objects." },
    orphanDependents: { type: "boolean", description: "Replaced by propagationPolicy." },
    propagationPolicy: { type: "string", description: "Orphan, Background or Foreground." },
    resourceVersion: { type: "string", description: "Which version to read, or to watch from." },
    resourceVersionMatch: { type: "string", description: "Exact or NotOlderThan." },
    sendInitialEvents: { type: "boolean", description: "Begin a watch with the present objects." },
    timeoutSeconds: { type: "integer", description: "Longest time to wait." },
    watch: { type: "boolean", description: "Send changes instead of a list." },
  };

/** Every path of a kind with what can be done there. */
export function operationsOf(definition: ResourceDefinition): readonly PathOperations[] {
  const { resource, namespaced } = definition;
  const root = rootOf(definition);
  const scope = namespaced ? ["namespaces", "{namespace}"] : [];
  const variables = namespaced ? ["namespace"] : [];
  const at = (parts: readonly string[], names: readonly string[], operations: readonly (Operation | undefined)[]): PathOperations => ({
    path: [root, ...parts].join("/"),
    variables: names,
    definition,
    operations: operations.filter((one) => one !== undefined),
  });
  const make = operationMaker(definition);
  const collection = [...scope, resource];
  const object = [...collection, "{name}"];
  const all = [
    at(collection, variables, [make("list", ""), make("create", ""), make("deletecollection", "")]),
    ...(namespaced ? [at([resource], [], [make("list", "ForAllNamespaces")])] : []),
    at(object, [...variables, "name"], [make("get", ""), make("update", ""), make("patch", ""), make("delete", "")]),
    ...subresourcesOf(definition).map(([name, operations]) => at([...object, name], [...variables, "name"], operations)),
  ];
  return all.filter(({ operations }) => operations.length > 0);
}

/** `/api/v1`, `/apis/apps/v1`. */
export function rootOf({ group, version }: { readonly group: string; readonly version: string }): string {
  return group === "" ? `/api/${version}` : `/apis/${group}/${version}`;
}

const shapes: Readonly<Partial<Record<Verb, Pick<Operation, "method" | "action" | "query" | "body" | "answer">>>> = {
  list: { method: "get", action: "list", query: listQuery, answer: "list" },
  create: { method: "post", action: "post", query: writeQuery, body: "object", answer: "object" },
  deletecollection: {
    method: "delete",
    action: "deletecollection",
    query: [...deleteQuery, ...listQuery.filter((name) => name !== "watch")],
    body: "deleteOptions",
    answer: "status",
  },
  get: { method: "get", action: "get", query: [], answer: "object" },
  update: { method: "put", action: "put", query: writeQuery, body: "object", answer: "object" },
  patch: { method: "patch", action: "patch", query: writeQuery, body: "patch", answer: "object" },
  delete: { method: "delete", action: "delete", query: deleteQuery, body: "deleteOptions", answer: "status" },
};

const words: Readonly<Partial<Record<Verb, string>>> = { get: "read", update: "replace", deletecollection: "deleteCollection" };

function operationMaker(definition: ResourceDefinition) {
  const { group, version, kind, namespaced } = definition;
  return (verb: Verb, suffix: string): Operation | undefined => {
    const shape = shapes[verb];
    if (shape === undefined || !definition.verbs.includes(verb)) return undefined;
    const word = words[verb] ?? verb;
    const id = `${word}${groupWord(group)}${capital(version)}${namespaced && suffix === "" ? "Namespaced" : ""}${kind}${suffix}`;
    return { ...shape, id, description: `${word} ${kind}`, gvk: { group, version, kind } };
  };
}

function subresourcesOf(definition: ResourceDefinition): readonly (readonly [string, readonly Operation[]])[] {
  const { status, scale, custom = {} } = definition.subresources ?? {};
  const { group, version, kind } = definition;
  const own = { group, version, kind };
  const operations = (name: string, verbs: readonly Verb[], gvk: GroupVersionKind, payload: Payload): readonly [string, Operation[]] => {
    const made = verbs.flatMap((verb): Operation[] => {
      const shape = shapes[verb];
      if (shape === undefined) return [];
      const word = words[verb] ?? verb;
      const id = `${word}${groupWord(group)}${capital(version)}${definition.namespaced ? "Namespaced" : ""}${kind}${capital(name)}`;
      const body = shape.body === "object" ? { body: payload } : {};
      return [{ ...shape, ...body, answer: payload, id, description: `${word} ${name} of ${kind}`, gvk }];
    });
    return [name, made];
  };
  const readWrite: readonly Verb[] = ["get", "update", "patch"];
  return [
    ...(status ? [operations("status", readWrite, own, "object")] : []),
    ...(scale === undefined ? [] : [operations("scale", readWrite, { group: "autoscaling", version: "v1", kind: "Scale" }, "any")]),
    ...Object.entries(custom).map(([name, handler]) => operations(name, handler.verbs, gvkOf(handler, own), "any")),
  ];
}

const gvkOf = ({ group, version, kind }: SubresourceHandler, own: GroupVersionKind): GroupVersionKind => ({
  group: group ?? own.group,
  version: version ?? own.version,
  kind,
});

const capital = (word: string): string => `${word.slice(0, 1).toUpperCase()}${word.slice(1)}`;
const groupWord = (group: string): string => (group === "" ? "Core" : (group.split(".")[0] ?? "").split("-").map(capital).join(""));
