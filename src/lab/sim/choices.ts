import type { WorldChange, WorldHistory, WorldKind, WorldKinds } from "./history.ts";

/** What a node may know of each object, given the changes that it may or may not have seen. */
export interface Choices {
  /** Every state that the node may have of an object; undefined: there is none. */
  statesOf<Kind extends WorldKind>(kind: Kind, key: string): (WorldKinds[Kind] | undefined)[];
  /** Of the objects that there are, or were. */
  keysOf(kind: WorldKind): string[];
}

export function createChoices({ history, changes }: { readonly history: WorldHistory; readonly changes: readonly WorldChange[] }): Choices {
  const changed = byObject(changes);
  return {
    statesOf<Kind extends WorldKind>(kind: Kind, key: string) {
      const found = changed.get(`${kind} ${key}`);
      const states = found === undefined ? [history.present[kind].get(key)] : [found[0]?.before, ...found.map(({ after }) => after)];
      return states as (WorldKinds[Kind] | undefined)[];
    },
    keysOf: (kind) => [...new Set([...history.present[kind].keys(), ...changes.flatMap((each) => (each.kind === kind ? [each.key] : []))])],
  };
}

/** Many packets are judged by one list. */
const grouped = new WeakMap<readonly WorldChange[], ReadonlyMap<string, readonly WorldChange[]>>();
function byObject(changes: readonly WorldChange[]): ReadonlyMap<string, readonly WorldChange[]> {
  const found = grouped.get(changes) ?? Map.groupBy(changes, ({ kind, key }) => `${kind} ${key}`);
  grouped.set(changes, found);
  return found;
}
