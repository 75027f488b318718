/** What came and went. */
export interface ListChange<Item> {
  readonly added: readonly Item[];
  readonly removed: readonly Item[];
}

/**
 * Items that are told apart by a key. Keys are made when the list is changed for the first time: most lists come whole and go whole, and need
 * none.
 */
export interface KeyedList<Item> {
  readonly size: number;
  items(): Iterable<Item>;
  /** Whether `items` are the same ones, in any order. Makes no lasting keys. */
  equals(items: readonly Item[]): boolean;
  /** Makes the list exactly `items`, which it keeps. Gives back what that changed; an item that was listed twice may leave once. */
  replace(items: readonly Item[]): ListChange<Item>;
  /** Takes away and adds by key; what is not there, or is there already, changes nothing. Gives back what did change. */
  change(change: ListChange<Item>): ListChange<Item>;
}

export function createKeyedList<Item>(keyOf: (item: Item) => string): KeyedList<Item> {
  let listed: readonly Item[] = [];
  let keyed: Map<string, Item> | undefined;

  /** The items by key, and those that were listed under a key that others had. */
  const byKey = (): { readonly map: Map<string, Item>; readonly repeated: Item[] } => {
    if (keyed !== undefined) return { map: keyed, repeated: [] };
    const repeated: Item[] = [];
    keyed = mapOf(listed, keyOf, repeated);
    listed = [];
    return { map: keyed, repeated };
  };

  return {
    get size() {
      return keyed?.size ?? listed.length;
    },
    items: () => keyed?.values() ?? listed,
    equals(items) {
      const present = new Set(keyed?.keys() ?? listed.map(keyOf));
      const asked = new Set(items.map(keyOf));
      return present.size === asked.size && asked.isSubsetOf(present);
    },
    replace(items) {
      if (items.length === 0) {
        const removed = [...(keyed?.values() ?? listed)];
        keyed = undefined;
        listed = [];
        return { added: [], removed };
      }
      if ((keyed?.size ?? listed.length) === 0) {
        keyed = undefined;
        listed = items;
        return { added: items, removed: [] };
      }
      const { map: before, repeated: removed } = byKey();
      const after = mapOf(items, keyOf, []);
      for (const [key, item] of before) if (!after.has(key)) removed.push(item);
      const added: Item[] = [];
      for (const [key, item] of after) if (!before.has(key)) added.push(item);
      // Equal keys are equal items: the one that others hold already is kept.
      for (const [key, item] of before) if (after.has(key)) after.set(key, item);
      keyed = after;
      return { added, removed };
    },
    change(change) {
      const { map, repeated: removed } = byKey();
      for (const item of change.removed) {
        const key = keyOf(item);
        const present = map.get(key);
        if (present === undefined) continue;
        map.delete(key);
        removed.push(present);
      }
      const added: Item[] = [];
      for (const item of change.added) {
        const key = keyOf(item);
        if (map.has(key)) continue;
        map.set(key, item);
        added.push(item);
      }
      return { added, removed };
    },
  };
}

function mapOf<Item>(items: readonly Item[], keyOf: (item: Item) => string, repeated: Item[]): Map<string, Item> {
  const map = new Map<string, Item>();
  for (const item of items) {
    const key = keyOf(item);
    if (map.has(key)) repeated.push(item);
    else map.set(key, item);
  }
  return map;
}
