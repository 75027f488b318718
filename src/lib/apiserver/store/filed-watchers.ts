import type { KubeObject } from "#lib/kube/types.ts";
import type { ResourceDefinition } from "../resource.ts";
import type { Selection } from "../resource-store.ts";
import { fieldReader } from "./selection.ts";
import type { Watcher } from "./watcher.ts";

/**
 * Watchers of a kind, those that ask for one value of a field by that value: each node watches its own pods, so that a pod of a cluster of 5 000 concerns a
 * handful of ten thousand watchers.
 */
export interface FiledWatchers {
  /** Returns the way to stop. */
  add(watcher: Watcher, selection: Selection): () => void;
  /** Those that may select one of the objects, the others left out where a field tells. */
  of(objects: readonly (KubeObject | undefined)[]): Iterable<Watcher>;
  all(): Iterable<Watcher>;
  clear(): void;
}

interface ByValue {
  readonly read: (object: KubeObject) => string;
  readonly watchers: Map<string, Set<Watcher>>;
}

export function createFiledWatchers(definition: () => Pick<ResourceDefinition, "selectableFields">): FiledWatchers {
  const all = new Set<Watcher>();
  const unfiled = new Set<Watcher>();
  const byField = new Map<string, ByValue>();
  /** The drawer of a watcher, and the way to throw it away. */
  const drawerOf = ({ fieldSelector }: Selection): readonly [Set<Watcher>, () => void] => {
    const asked = fieldSelector.find(({ equal }) => equal);
    if (asked === undefined) return [unfiled, () => {}];
    const { path, value } = asked;
    const field = byField.get(path) ?? { read: fieldReader(definition(), path), watchers: new Map<string, Set<Watcher>>() };
    byField.set(path, field);
    const drawer = field.watchers.get(value) ?? new Set();
    field.watchers.set(value, drawer);
    return [drawer, () => void field.watchers.delete(value)];
  };
  return {
    add(watcher, selection) {
      const [drawer, remove] = drawerOf(selection);
      all.add(watcher);
      drawer.add(watcher);
      return () => {
        all.delete(watcher);
        if (drawer.delete(watcher) && drawer.size === 0) remove();
      };
    },
    *of(objects) {
      yield* unfiled;
      for (const { read, watchers } of byField.values())
        for (const value of new Set(objects.flatMap((object) => (object === undefined ? [] : [read(object)]))))
          yield* watchers.get(value) ?? [];
    },
    all: () => all,
    clear() {
      all.clear();
      unfiled.clear();
      byField.clear();
    },
  };
}
