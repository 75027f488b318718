/**
 * `list` with one more item: a new list of exactly its length while it is short, as one that grows by itself has room for 16 more, and most lists here
 * have a few items.
 */
export function withItem<Item>(list: Item[], item: Item): Item[] {
  const [first, second, third] = list as [Item, Item, Item];
  switch (list.length) {
    case 0:
      return [item];
    case 1:
      return [first, item];
    case 2:
      return [first, second, item];
    case 3:
      return [first, second, third, item];
    default:
      list.push(item);
      return list;
  }
}

/** What all that are empty share; never changed. */
export const emptyList: never[] = [];
