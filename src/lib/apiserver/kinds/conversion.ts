import type { KubeObject } from "#lib/kube/types.ts";
import { applyDefaults, lacksDefaults } from "../openapi/defaults.ts";
import type { JsonSchema } from "../openapi/schema.ts";
import type { ResourceDefinition } from "../resource.ts";
import type { Awaitable, StoreEvent, WatchSink } from "../resource-store.ts";

/** One version of a kind that was added while the server runs. */
export interface ServedVersion {
  readonly definition: ResourceDefinition;
  readonly conversion: Conversion;
}

/** Between one served version of a kind and the form in which its objects are stored. */
export interface Conversion {
  /** The objects in the version that is served, in the same order. */
  fromStored(objects: readonly KubeObject[]): Awaitable<readonly KubeObject[]>;
  toStored(object: KubeObject): Awaitable<KubeObject>;
}

/** All versions have one shape: only `apiVersion` changes. Objects that have the right one stay as they are, so that their encodings are shared. */
export function relabelling(versions: { readonly served: string; readonly stored: string }): Conversion {
  const relabelled = new WeakMap<KubeObject, KubeObject>();
  const fromStored = (object: KubeObject): KubeObject => {
    if (object.apiVersion === versions.served) return object;
    const known = relabelled.get(object);
    if (known !== undefined) return known;
    const made = { ...object, apiVersion: versions.served };
    relabelled.set(object, made);
    return made;
  };
  return {
    fromStored: (objects) => objects.map(fromStored),
    toStored: (object) => (object.apiVersion === versions.stored ? object : { ...object, apiVersion: versions.stored }),
  };
}

/** Objects that were stored before the kind had a default are served with it; those that lack nothing stay as they are. */
export function defaulting(conversion: Conversion, schema: JsonSchema): Conversion {
  /** Stored objects never change, and many clients read the same. */
  const completed = new WeakMap<KubeObject, KubeObject>();
  const complete = (object: KubeObject): KubeObject => {
    const known = completed.get(object);
    if (known !== undefined) return known;
    const made = lacksDefaults(schema, object) ? structuredClone(object) : object;
    if (made !== object) applyDefaults(schema, made);
    completed.set(object, made);
    return made;
  };
  return {
    fromStored(objects) {
      const converted = conversion.fromStored(objects);
      return converted instanceof Promise ? converted.then((list) => list.map(complete)) : converted.map(complete);
    },
    toStored: conversion.toStored,
  };
}

/** At once where nobody must be asked: a write then goes on without a pause. */
export function convertOne({ fromStored }: Conversion, object: KubeObject): Awaitable<KubeObject> {
  const converted = fromStored([object]);
  const only = (list: readonly KubeObject[]): KubeObject => list[0] ?? object;
  return converted instanceof Promise ? converted.then(only) : only(converted);
}

/** A sink that turns stored objects into the served version before they go to `sink`, in their order. A failure ends the watch. */
export function convertingSink(sink: WatchSink, { fromStored }: Conversion, apiVersion: string): WatchSink {
  let last: Promise<void> | undefined;
  let gone = false;
  const pass = (event: StoreEvent, object: KubeObject | undefined): void => {
    if (gone || object === undefined || event.type === "ERROR") return;
    gone = !sink.send({ type: event.type, object });
  };
  const end = (): void => {
    gone = true;
    sink.close();
  };
  return {
    send(event) {
      if (gone) return false;
      if (event.type === "ERROR") return sink.send(event);
      // a bookmark carries a version and nothing that could be converted
      const converted = event.type === "BOOKMARK" ? [{ ...event.object, apiVersion }] : fromStored([event.object]);
      if (last === undefined && !(converted instanceof Promise)) {
        pass(event, converted[0]);
        return !gone;
      }
      const previous = last;
      const next = (async () => {
        await previous;
        pass(event, (await converted)[0]);
      })().catch(end);
      last = next;
      void next.then(() => {
        if (last === next) last = undefined;
      });
      return true;
    },
    close: () => sink.close(),
  };
}
