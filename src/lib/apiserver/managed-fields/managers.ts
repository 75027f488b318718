import { apiVersionOf } from "#lib/kube/resource.ts";
import type { KubeObject, ManagedFieldsEntry } from "#lib/kube/types.ts";
import type { Parts } from "#lib/runtime/parts.ts";
import { applyConflict } from "../errors.ts";
import { objectMeta } from "../openapi/meta.ts";
import type { Json, JsonObject, JsonSchema } from "../openapi/schema.ts";
import { depthOf, isObject, jsonEqual, maximumDepth } from "../patch/json.ts";
import type { ResourceDefinition } from "../resource.ts";
import { countMembers, difference, type FieldTree, intersection, isFieldTree, pathsOf, rootOf, union, unionOfAll } from "./field-tree.ts";
import { compareFields, fieldsOf, mergeApplied, removeFields } from "./typed.ts";

/** Who writes, and through what. */
export interface Writer {
  readonly manager: string;
  /** "" for the object itself. */
  readonly subresource: string;
  /** RFC 3339. */
  readonly time: string;
}

type Entries = readonly ManagedFieldsEntry[];

/** Managers of one object at most that are told apart; entries of plain updates beyond are merged, as the real server does. */
const mostUpdateManagers = 10;

/** The owners of the fields of an object that `writer` has made, by create, update or a patch that is no apply, out of `old`. */
export function* ownersAfterUpdate(
  definition: ResourceDefinition,
  states: { readonly old?: KubeObject; readonly now: KubeObject },
  writer: Writer,
): Parts<Entries> {
  const { old, now } = states;
  const schema = ownedSchema(definition);
  const entries = yield* readEntries(now.metadata.managedFields ?? old?.metadata.managedFields);
  const after = ownable(now, definition, writer.subresource);
  const before = old === undefined ? {} : ownable(old, definition, writer.subresource);
  const { changed, removed } = compareFields(before, after, schema);
  yield;
  if (changed === undefined && removed === undefined) return entries;
  const mine = (entry: ManagedFieldsEntry): boolean => isEntryOf(entry, definition, writer, "Update");
  const kept = difference(entries.find(mine)?.fieldsV1, removed);
  yield;
  const own = union(kept, changed);
  yield;
  const touched = union(changed, removed);
  yield;
  const others = yield* withoutFields(
    entries.filter((entry) => !mine(entry)),
    touched,
  );
  return yield* capped(own === undefined ? others : [...others, newEntry(definition, writer, "Update", own)]);
}

/**
 * What an apply makes of the present object: the fields of `config`, those of the manager's last apply that nobody else owns gone. Throws Conflict where
 * another manager has set a field to something else, unless `force` takes it away from them.
 */
export function* applyConfiguration(
  definition: ResourceDefinition,
  { live, config, force }: { readonly live: KubeObject; readonly config: JsonObject; readonly force: boolean },
  writer: Writer,
): Parts<JsonObject> {
  const schema = ownedSchema(definition);
  const entries = yield* readEntries(live.metadata.managedFields ?? beforeFirstApply(definition, live, writer));
  const mine = (entry: ManagedFieldsEntry): boolean => isEntryOf(entry, definition, writer, "Apply");
  const others = entries.filter((entry) => !mine(entry));
  const wanted = ownable(config, definition, writer.subresource);
  const owned = fieldsOf(wanted, schema);
  yield;
  const present = ownable(live, definition, writer.subresource);
  const merged = mergeApplied(present, wanted, schema);
  yield;
  const { changed } = compareFields(present, merged, schema);
  yield;
  const mayTake = writer.manager === kubectl ? difference(changed, lastAppliedFields(definition, live, writer)) : changed;
  if (!force) yield* refuseConflicts(others, mayTake);
  const keep = yield* unionOfAll([owned, ...others.map(({ fieldsV1 }) => fieldsV1)]);
  const dropped = difference(entries.find(mine)?.fieldsV1, keep, { withParents: true });
  yield;
  const result = (dropped === undefined ? merged : removeFields(merged, schema, { fields: dropped, kept: owned })) as JsonObject;
  yield;
  const next = [...(yield* withoutFields(others, changed)), newEntry(definition, writer, "Apply", owned)];
  return restored(result, live, { schema: definition, subresource: writer.subresource, managedFields: sameTimes(next, entries) });
}

/** Fields that a client is told of when they are in conflict: more are of no use to anybody. */
const mostConflicts = 1_000;

function* refuseConflicts(others: Entries, wanted: FieldTree | undefined): Parts<void> {
  const conflicts: { readonly manager: string; readonly field: string }[] = [];
  let count = 0;
  for (const entry of others) {
    const fields = intersection(entry.fieldsV1, wanted);
    yield;
    if (fields === undefined) continue;
    count += countMembers(fields);
    for (const field of pathsOf(fields, mostConflicts - conflicts.length)) conflicts.push({ manager: describe(entry), field });
  }
  if (count > 0) throw applyConflict(conflicts, count);
}

const kubectl = "kubectl";
const lastApplied = "kubectl.kubernetes.io/last-applied-configuration";

/** Fields that kubectl itself has applied on the client side and nobody has changed since: turning to the server is no conflict with oneself. */
function lastAppliedFields(definition: ResourceDefinition, live: KubeObject, { subresource }: Writer): FieldTree | undefined {
  const config = parseObject(live.metadata.annotations?.[lastApplied]);
  if (config === undefined) return undefined;
  const schema = ownedSchema(definition);
  const applied = ownable(config, definition, subresource);
  const { changed } = compareFields(ownable(live, definition, subresource), applied, schema);
  return difference(fieldsOf(applied, schema), changed);
}

function parseObject(text: string | undefined): JsonObject | undefined {
  try {
    const value = JSON.parse(text ?? "") as Json;
    return isObject(value) && (value.metadata === undefined || isObject(value.metadata)) && depthOf(value) <= maximumDepth
      ? value
      : undefined;
  } catch {
    return undefined;
  }
}

/** Entries keep their time while their fields stay the same. */
function sameTimes(next: Entries, before: Entries): Entries {
  const known = new Map(before.map((entry) => [identityOf(entry), entry]));
  return next.map((entry) => {
    const old = known.get(identityOf(entry));
    return old !== undefined && jsonEqual(old.fieldsV1 as unknown as Json, entry.fieldsV1 as unknown as Json) ? old : entry;
  });
}

/** What tells one entry of an object from another. */
const identityOf = ({ manager, operation, apiVersion, subresource = "" }: ManagedFieldsEntry): string =>
  JSON.stringify([manager, operation, apiVersion, subresource]);

const describe = ({ manager, operation, apiVersion, subresource, time }: ManagedFieldsEntry): string => {
  const through = subresource === undefined ? "" : ` with subresource ${JSON.stringify(subresource)}`;
  return `${JSON.stringify(manager)}${through} using ${apiVersion}${operation === "Update" && time !== undefined ? ` at ${time}` : ""}`;
};

const metadataFields = ["labels", "annotations", "finalizers", "ownerReferences", "generateName"];

/** The part of an object that has owners: not its identity and what the server sets; of a subresource, that part only. */
function ownable(object: object, { subresources }: ResourceDefinition, subresource: string): JsonObject {
  const { apiVersion: _apiVersion, kind: _kind, metadata = {}, ...rest } = object as Record<string, Json>;
  const { status, ...spec } = rest;
  const meta = Object.entries(metadata as JsonObject).filter(([name]) => metadataFields.includes(name));
  const withMeta = meta.length === 0 ? {} : { metadata: Object.fromEntries(meta) };
  if (subresource === "status") return { ...withMeta, ...(status === undefined ? {} : { status }) };
  return { ...withMeta, ...spec, ...(status === undefined || subresources?.status ? {} : { status }) };
}

/** The whole object again: what has no owners comes from the live one. */
function restored(
  result: JsonObject,
  live: KubeObject,
  {
    schema: { subresources },
    subresource,
    managedFields,
  }: { readonly schema: ResourceDefinition; readonly subresource: string; readonly managedFields: Entries },
): JsonObject {
  const { metadata: applied = {}, ...fields } = result;
  const { metadata, ...own } = live as KubeObject & Record<string, Json>;
  const kept = Object.entries(metadata).filter(([name]) => !metadataFields.includes(name));
  const untouched =
    subresource === "status"
      ? own
      : { apiVersion: own.apiVersion, kind: own.kind, ...(subresources?.status ? { status: own.status } : {}) };
  const present = Object.entries(untouched).filter(([, value]) => value !== undefined);
  return {
    ...(Object.fromEntries(present) as JsonObject),
    ...fields,
    metadata: { ...Object.fromEntries(kept), ...(applied as JsonObject), managedFields: managedFields as unknown as Json } as JsonObject,
  };
}

/** Metadata has the same owners in every kind, whether its schema says so or not. */
const schemas = new WeakMap<ResourceDefinition, JsonSchema>();

function ownedSchema(definition: ResourceDefinition): JsonSchema {
  const known = schemas.get(definition);
  if (known !== undefined) return known;
  const made = { ...definition.schema, properties: { ...definition.schema?.properties, metadata: objectMeta } };
  schemas.set(definition, made);
  return made;
}

function isEntryOf(
  entry: ManagedFieldsEntry,
  definition: ResourceDefinition,
  { manager, subresource }: Writer,
  operation: "Apply" | "Update",
): boolean {
  return (
    entry.manager === manager &&
    entry.operation === operation &&
    (entry.subresource ?? "") === subresource &&
    entry.apiVersion === apiVersionOf(definition)
  );
}

function newEntry(
  definition: ResourceDefinition,
  { manager, subresource, time }: Writer,
  operation: "Apply" | "Update",
  fieldsV1: FieldTree,
): ManagedFieldsEntry {
  return {
    manager,
    operation,
    apiVersion: apiVersionOf(definition),
    time,
    fieldsType: "FieldsV1",
    fieldsV1,
    ...(subresource === "" ? {} : { subresource }),
  };
}

/** What an object that nobody has tracked says at its first apply: whatever it holds was set before. */
function beforeFirstApply(definition: ResourceDefinition, live: KubeObject, writer: Writer): Entries {
  const fields = fieldsOf(ownable(live, definition, ""), ownedSchema(definition));
  return [newEntry(definition, { ...writer, subresource: "", manager: "before-first-apply" }, "Update", fields)];
}

function* withoutFields(entries: Entries, fields: FieldTree | undefined): Parts<Entries> {
  if (fields === undefined) return entries;
  const kept: ManagedFieldsEntry[] = [];
  for (const entry of entries) {
    const left = difference(entry.fieldsV1, fields);
    if (left === entry.fieldsV1) kept.push(entry);
    else if (left !== undefined) kept.push({ ...entry, fieldsV1: left });
    yield;
  }
  return kept;
}

/** Entries as users may send them back; what cannot be read is left out. */
function* readEntries(entries: unknown): Parts<Entries> {
  if (!Array.isArray(entries)) return [];
  const read: ManagedFieldsEntry[] = [];
  for (const entry of entries as readonly Partial<ManagedFieldsEntry>[]) {
    if (isEntry(entry)) read.push(rootOf(entry.fieldsV1) === entry.fieldsV1 ? entry : { ...entry, fieldsV1: rootOf(entry.fieldsV1) });
    yield;
  }
  return read;
}

const isEntry = (entry: Partial<ManagedFieldsEntry> | null): entry is ManagedFieldsEntry =>
  typeof entry?.manager === "string" && (entry.operation === "Apply" || entry.operation === "Update") && isFieldTree(entry.fieldsV1);

/** The oldest entries of plain updates become one. */
function* capped(entries: Entries): Parts<Entries> {
  const updates = entries.filter(({ operation }) => operation === "Update");
  if (updates.length <= mostUpdateManagers) return entries;
  const byAge = updates.toSorted((left, right) => ((left.time ?? "") < (right.time ?? "") ? -1 : 1));
  const oldest = byAge.slice(0, updates.length - mostUpdateManagers + 1);
  const last = oldest.at(-1);
  if (last === undefined) return entries;
  const fieldsV1 = (yield* unionOfAll(oldest.map((one) => one.fieldsV1))) ?? {};
  const merged: ManagedFieldsEntry = { ...last, manager: "ancient-changes", fieldsV1 };
  const gone = new Set(oldest);
  return [merged, ...entries.filter((entry) => !gone.has(entry))];
}
