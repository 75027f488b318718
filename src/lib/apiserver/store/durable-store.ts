import type { KubeObject } from "#lib/kube/types.ts";
import { errorMessage } from "#lib/runtime/errors.ts";
import { internalError, objectTooLarge } from "../errors.ts";
import type { Lookup, ResourceDefinition, ResourceRef } from "../resource.ts";
import type { Storage, StoredRecord } from "../storage/storage.ts";
import { type Collection, createCollection, storeKey } from "./collection.ts";
import { jsonOf } from "./encoding.ts";
import type { CommittedEvent } from "./history.ts";

/**
 * All durable objects in memory, with the storage as their log. A write is visible to later writes (through {@link Lookup}) at once, and to readers
 * and watchers when it is on disk; writes made in one turn of the event loop are committed together.
 */
export interface DurableStore extends Lookup {
  /** Of the latest commit. */
  readonly revision: number;
  /** Another number whenever an object of the kind was written, on disk or not yet. */
  changes(resource: ResourceRef): number;
  collection(resource: ResourceRef): Collection | undefined;
  /** Adds or replaces. Resolves to the object with its resourceVersion, once it is on disk. */
  put(resource: ResourceRef, object: KubeObject): Promise<KubeObject>;
  /** Removes. `last` is the object as watchers shall last see it. */
  remove(resource: ResourceRef, last: KubeObject): Promise<KubeObject>;
  /** Serves one more kind, with the objects of it that were found on disk; a kind that is there already gets the new definition. */
  addCollection(definition: ResourceDefinition): void;
  /** Ends a kind and all watches of it. Its objects must be gone. */
  removeCollection(resource: ResourceRef): void;
  /** Sends a bookmark to every watcher that wants them. */
  bookmark(): void;
}

/** Of the text of one object, as etcd takes it (`--max-request-bytes`). */
const largestObject = 1_536 * 1_024;

interface Staged {
  readonly collection: Collection;
  readonly event: CommittedEvent;
  readonly record: StoredRecord;
  readonly done: PromiseWithResolvers<KubeObject>;
}

export function openStore(options: {
  readonly storage: Storage;
  readonly definitions: readonly ResourceDefinition[];
  readonly keptEvents?: number;
}): DurableStore {
  const { storage } = options;
  const state = storage.load();
  let committed = state.revision;
  let assigned = state.revision;
  const found = recordsByResource(state.records);
  const collections = new Map<string, Collection>();
  const addCollection = (definition: ResourceDefinition): void => {
    const name = collectionName(definition);
    const known = collections.get(name);
    if (known !== undefined) {
      known.redefine(definition);
      return;
    }
    const objects = (found.get(name) ?? []).map((json) => JSON.parse(json) as KubeObject);
    found.delete(name);
    const { keptEvents } = options;
    const kept = keptEvents === undefined ? {} : { keptEvents };
    collections.set(name, createCollection({ definition, objects, currentRevision: () => committed, ...kept }));
  };
  for (const definition of options.definitions) if (definition.store === "durable") addCollection(definition);
  let staged: Staged[] = [];
  /** Revisions of the latest writes of each kind. */
  const lastChange = new Map<string, number>();
  /** What the staged writes make of objects: undefined for a removal. */
  const ahead = new Map<Collection, Map<string, KubeObject | undefined>>();

  const collectionOf = (resource: ResourceRef): Collection => {
    const collection = collections.get(collectionName(resource));
    if (collection === undefined) throw internalError(`${collectionName(resource)} is no durable kind of this server`);
    return collection;
  };
  const latest = (collection: Collection, key: string): KubeObject | undefined => {
    const overlay = ahead.get(collection);
    return overlay?.has(key) ? overlay.get(key) : collection.get(key);
  };
  const commit = (): void => {
    const batch = staged;
    staged = [];
    ahead.clear();
    const revision = assigned;
    try {
      storage.commit({ revision, records: batch.map(({ record }) => record) });
    } catch (error) {
      for (const { done } of batch) done.reject(internalError(errorMessage(error)));
      return;
    }
    committed = revision;
    for (const { collection, event } of batch) collection.apply(event);
    for (const { event, done } of batch) done.resolve((event.after ?? event.removed) as KubeObject);
  };
  const stage = (resource: ResourceRef, object: KubeObject, action: "put" | "remove"): Promise<KubeObject> => {
    const collection = collectionOf(resource);
    const { namespace = "", name = "" } = object.metadata;
    const key = storeKey({ namespace, name });
    const revision = assigned + 1;
    const stamped = { ...object, metadata: { ...object.metadata, resourceVersion: String(revision) } };
    const before = latest(collection, key);
    const after = action === "put" ? stamped : undefined;
    const event: CommittedEvent = {
      revision,
      key,
      ...(before === undefined ? {} : { before }),
      ...(after === undefined ? { removed: stamped } : { after }),
    };
    const json = after === undefined ? null : jsonOf(after);
    if (json !== null && 3 * json.length > largestObject && Buffer.byteLength(json) > largestObject) throw objectTooLarge(largestObject);
    assigned = revision;
    lastChange.set(collectionName(resource), revision);
    const overlay = ahead.get(collection) ?? new Map<string, KubeObject | undefined>();
    ahead.set(collection, overlay.set(key, after));
    const record = { resource: collectionName(resource), namespace, name, json };
    const done = Promise.withResolvers<KubeObject>();
    if (staged.push({ collection, event, record, done }) === 1) storage.gather(commit);
    return done.promise;
  };

  return {
    get revision() {
      return committed;
    },
    changes: (resource) => lastChange.get(collectionName(resource)) ?? 0,
    collection: (resource) => collections.get(collectionName(resource)),
    get: (resource, key) => {
      const collection = collections.get(collectionName(resource));
      return collection === undefined ? undefined : latest(collection, storeKey(key));
    },
    *list(resource, namespace) {
      const collection = collections.get(collectionName(resource));
      if (collection === undefined) return;
      const overlay = ahead.get(collection) ?? new Map<string, KubeObject | undefined>();
      for (const object of collection.objects(namespace)) if (!overlay.has(keyOf(object))) yield object;
      for (const object of overlay.values()) {
        if (object !== undefined && (namespace === undefined || object.metadata.namespace === namespace)) yield object;
      }
    },
    put: (resource, object) => stage(resource, object, "put"),
    remove: (resource, last) => stage(resource, last, "remove"),
    addCollection,
    removeCollection(resource) {
      collections.get(collectionName(resource))?.close();
      collections.delete(collectionName(resource));
    },
    bookmark() {
      for (const collection of collections.values()) collection.bookmark();
    },
  };
}

const collectionName = ({ group, resource }: ResourceRef): string => `${group}/${resource}`;

const keyOf = ({ metadata }: KubeObject): string => storeKey({ namespace: metadata.namespace ?? "", name: metadata.name ?? "" });

/** What lies on disk, as it was written. Records of kinds that are not served (any more) stay there, untouched. */
function recordsByResource(records: Iterable<StoredRecord>): Map<string, string[]> {
  const found = new Map<string, string[]>();
  for (const { resource, json } of records) {
    if (json === null) continue;
    const texts = found.get(resource);
    if (texts === undefined) found.set(resource, [json]);
    else texts.push(json);
  }
  return found;
}
