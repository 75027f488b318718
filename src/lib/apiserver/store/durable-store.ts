import type { KubeObject } from "#lib/kube/types.ts";
import { errorMessage } from "#lib/runtime/errors.ts";
import { internalError } from "../errors.ts";
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
  collection(resource: ResourceRef): Collection | undefined;
  /** Adds or replaces. Resolves to the object with its resourceVersion, once it is on disk. */
  put(resource: ResourceRef, object: KubeObject): Promise<KubeObject>;
  /** Removes. `last` is the object as watchers shall last see it. */
  remove(resource: ResourceRef, last: KubeObject): Promise<KubeObject>;
  /** Sends a bookmark to every watcher that wants them. */
  bookmark(): void;
}

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
  const collections = loadCollections(options.definitions, state.records, (definition, objects) =>
    createCollection({
      definition,
      objects,
      currentRevision: () => committed,
      ...(options.keptEvents === undefined ? {} : { keptEvents: options.keptEvents }),
    }),
  );
  let staged: Staged[] = [];
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
    const revision = ++assigned;
    const stamped = { ...object, metadata: { ...object.metadata, resourceVersion: String(revision) } };
    const before = latest(collection, key);
    const after = action === "put" ? stamped : undefined;
    const event: CommittedEvent = {
      revision,
      key,
      ...(before === undefined ? {} : { before }),
      ...(after === undefined ? { removed: stamped } : { after }),
    };
    const overlay = ahead.get(collection) ?? new Map<string, KubeObject | undefined>();
    ahead.set(collection, overlay.set(key, after));
    const record = { resource: collectionName(resource), namespace, name, json: after === undefined ? null : jsonOf(after) };
    const done = Promise.withResolvers<KubeObject>();
    if (staged.push({ collection, event, record, done }) === 1) storage.gather(commit);
    return done.promise;
  };

  return {
    get revision() {
      return committed;
    },
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
    bookmark() {
      for (const collection of collections.values()) collection.bookmark();
    },
  };
}

const collectionName = ({ group, resource }: ResourceRef): string => `${group}/${resource}`;

const keyOf = ({ metadata }: KubeObject): string => storeKey({ namespace: metadata.namespace ?? "", name: metadata.name ?? "" });

/** One collection per durable kind. Records of kinds that are not served (any more) stay on disk, untouched. */
function loadCollections(
  definitions: readonly ResourceDefinition[],
  records: Iterable<StoredRecord>,
  create: (definition: ResourceDefinition, objects: KubeObject[]) => Collection,
): Map<string, Collection> {
  const loaded = new Map<string, KubeObject[]>();
  for (const { resource, json } of records) {
    if (json === null) continue;
    const objects = loaded.get(resource) ?? [];
    objects.push(JSON.parse(json) as KubeObject);
    loaded.set(resource, objects);
  }
  const durable = definitions.filter(({ store }) => store === "durable");
  return new Map(
    durable.map((definition) => [collectionName(definition), create(definition, loaded.get(collectionName(definition)) ?? [])]),
  );
}
