/** A bounded queue that serves its senders in turn: one that sends without end delays and loses only its own. */
export interface FairQueue<Item> {
  /** Takes the item in, or tells whose item was lost for want of room: the sender's own, or one of the sender that has most waiting. */
  push(sender: number, item: Item): { readonly lost: number } | undefined;
  /** The next item, of the next sender in turn. */
  take(): Item | undefined;
  readonly size: number;
}

export interface FairQueueLimits {
  /** Items of one sender that wait. */
  readonly perSender: number;
  /** Items that wait in all. */
  readonly total: number;
}

/** Time per call does not grow with what waits; only a push into a full queue looks at all senders. */
export function createFairQueue<Item>({ perSender, total }: FairQueueLimits): FairQueue<Item> {
  /** In the order of their turns. A sender that has nothing waiting has no place. */
  const waiting = new Map<number, Item[]>();
  let size = 0;
  const longest = (): number | undefined => {
    let found: number | undefined;
    let most = 0;
    for (const [sender, items] of waiting)
      if (items.length > most) {
        most = items.length;
        found = sender;
      }
    return found;
  };
  return {
    push(sender, item) {
      const own = waiting.get(sender);
      if (own !== undefined && own.length >= perSender) return { lost: sender };
      let lost: number | undefined;
      if (size >= total) {
        lost = longest();
        // Whoever has most waiting loses its latest: what it sent before is answered soonest.
        if (lost === undefined || lost === sender) return { lost: sender };
        const items = waiting.get(lost);
        items?.pop();
        if (items?.length === 0) waiting.delete(lost);
        size--;
      }
      if (own === undefined) waiting.set(sender, [item]);
      else own.push(item);
      size++;
      return lost === undefined ? undefined : { lost };
    },
    take() {
      const [first] = waiting;
      if (first === undefined) return undefined;
      const [sender, items] = first;
      waiting.delete(sender);
      const item = items.shift();
      if (items.length > 0) waiting.set(sender, items);
      size--;
      return item;
    },
    get size() {
      return size;
    },
  };
}
