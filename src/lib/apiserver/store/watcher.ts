import { apiVersionOf } from "#lib/kube/resource.ts";
import type { KubeObject } from "#lib/kube/types.ts";
import type { ResourceDefinition } from "../resource.ts";
import type { WatchSink } from "../resource-store.ts";
import type { CommittedEvent } from "./history.ts";

/** One watch of a collection: turns changes of objects into what this selection sees of them. */
export interface Watcher {
  present(object: KubeObject): void;
  changed(event: CommittedEvent): void;
  bookmark(object: KubeObject): void;
  close(): void;
}

export function createWatcher(options: {
  readonly sink: WatchSink;
  readonly selected: (object: KubeObject) => boolean;
  readonly allowBookmarks: boolean;
}): Watcher {
  const { sink, selected, allowBookmarks } = options;
  return {
    present(object) {
      if (selected(object)) sink.send({ type: "ADDED", object });
    },
    changed(event) {
      const { before, after } = event;
      const was = before !== undefined && selected(before);
      const is = after !== undefined && selected(after);
      if (is) sink.send({ type: was ? "MODIFIED" : "ADDED", object: after });
      else if (was) sink.send({ type: "DELETED", object: departed(event) });
    },
    bookmark(object) {
      if (allowBookmarks) sink.send({ type: "BOOKMARK", object });
    },
    close: () => sink.close(),
  };
}

const departures = new WeakMap<CommittedEvent, KubeObject>();

/** What a watcher is told of an object that is gone, or no longer selected: its last state, at the revision of the change. */
function departed(event: CommittedEvent): KubeObject {
  if (event.removed !== undefined) return event.removed;
  const known = departures.get(event);
  if (known !== undefined) return known;
  const before = event.before as KubeObject;
  const object = { ...before, metadata: { ...before.metadata, resourceVersion: String(event.revision) } };
  departures.set(event, object);
  return object;
}

/** An object that only says which revision the watcher has reached. */
export function bookmarkOf(
  definition: ResourceDefinition,
  revision: number,
  options: { readonly initialEventsEnd?: boolean } = {},
): KubeObject {
  return {
    kind: definition.kind,
    apiVersion: apiVersionOf(definition),
    metadata: {
      resourceVersion: String(revision),
      ...(options.initialEventsEnd ? { annotations: { "k8s.io/initial-events-end": "true" } } : {}),
    },
  };
}
