/** Something that has a place among others, and a priority that says which comes first: the higher. */
export interface Ordered {
  priority: number;
}

export interface PriorityRange {
  readonly first: number;
  readonly last: number;
}

/**
 * Keeps things in order by numbers of which there are only so many. One that comes between two others gets a number between theirs; when there is
 * none, as few of its neighbours as suffice get others. Numbers that become free there are left mostly where the new one came: more may follow it.
 */
export interface RuleOrder<Item extends Ordered> {
  readonly items: readonly Item[];
  /** Whether there is no number left. */
  readonly isFull: boolean;
  /** Takes items in their order, spread over all numbers; with `keep` they have theirs already. */
  fill(sorted: readonly Item[], options: { readonly keep: boolean }): void;
  /** How many come before `item`. */
  placeOf(item: Item): number;
  /** Gives `item` its priority, and tells which others have a new one. Not when it is full. */
  insert(item: Item): readonly Item[];
  /** Takes out the one that is equal to `item` by comparison. */
  remove(item: Item): void;
}

/** One that follows another takes this part of what is free between it and the next. */
const closeness = 64;
const smallestStretch = 16;
/** Places at which several come in turns. */
const remembered = 16;
/** So many numbers become free at once, where there are as many: that is worth moving some dozens for, as long as it is done seldom. */
const worthMoving = 512;

export function createRuleOrder<Item extends Ordered>(
  compare: (one: Item, other: Item) => number,
  { first, last }: PriorityRange,
): RuleOrder<Item> {
  const items: Item[] = [];
  const numbers = last - first + 1;
  /** Those that came last, the latest first: where one came, others follow, as policies are made one after the other. */
  const recent: Item[] = [];

  /** The first priority that is no more to be had where there is no item. */
  const priorityAt = (place: number): number => (place < 0 ? last + 1 : (items[place]?.priority ?? first - 1));

  /** Spreads items over the numbers between their neighbours: evenly, but most of what is free goes where `hot` says. */
  const spread = (from: number, to: number, hot?: { readonly place: number; readonly side: "above" | "below" }): Item[] => {
    const [above, below] = [priorityAt(from - 1), priorityAt(to)];
    const count = to - from;
    const free = above - below - 1 - count;
    const even = hot === undefined ? free : Math.ceil(free / 4);
    const atHot = hot?.side === "above" ? free - even : 0;
    const moved: Item[] = [];
    for (const [index, item] of items.slice(from, to).entries()) {
      const gaps = Math.floor((even * (index + 1)) / (count + 1));
      const place = from + index;
      const extra = hot === undefined || place < hot.place ? 0 : place === hot.place ? atHot : free - even;
      const priority = above - 1 - index - gaps - extra;
      if (item.priority === priority) continue;
      item.priority = priority;
      moved.push(item);
    }
    return moved;
  };

  /** Widens the stretch around `place` until it has about as much room as there is overall; twice as many numbers as items is enough. */
  const makeRoom = (place: number, side: "above" | "below" | undefined): Item[] => {
    const free = numbers - items.length;
    const forEach = Math.min(side === undefined ? 2 : 1, free / items.length / 2);
    const forAll = side === undefined ? 0 : Math.min(worthMoving, free / 8);
    for (let width = smallestStretch; ; width *= 2) {
      const from = Math.max(0, place - width / 2);
      const to = Math.min(items.length, place + 1 + width / 2);
      const count = to - from;
      const found = priorityAt(from - 1) - priorityAt(to) - 1 - count;
      if ((found < count * forEach || found < forAll) && count < items.length) continue;
      return side === undefined ? spread(from, to) : spread(from, to, { place, side });
    }
  };

  /** How many came after it; infinite beyond what is remembered. */
  const ageOf = (item: Item | undefined): number => {
    const age = item === undefined ? -1 : recent.indexOf(item);
    return age < 0 ? Number.POSITIVE_INFINITY : age;
  };
  const placeOf = (item: Item): number => {
    let low = 0;
    let high = items.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      const other = items[middle];
      if (other !== undefined && compare(other, item) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  };

  return {
    items,
    get isFull() {
      return items.length >= numbers;
    },
    fill(sorted, { keep }) {
      items.splice(0, items.length, ...sorted);
      if (!keep) spread(0, items.length);
    },
    placeOf,
    insert(item) {
      const place = placeOf(item);
      const [above, below] = [priorityAt(place - 1), priorityAt(place)];
      const gap = above - below - 1;
      const side = sideOfNext({ above: ageOf(items[place - 1]), below: ageOf(items[place]) });
      items.splice(place, 0, item);
      recent.unshift(item);
      recent.splice(remembered);
      if (gap <= 0) return makeRoom(place, side).filter((other) => other !== item);
      const step = side === undefined ? Math.ceil(gap / 2) : 1 + Math.floor(gap / closeness);
      item.priority = side === "below" ? above - step : below + step;
      return [];
    },
    remove(item) {
      const place = placeOf(item);
      const found = items[place];
      if (found === undefined || compare(found, item) !== 0) return;
      items.splice(place, 1);
      if (recent.includes(found)) recent.splice(recent.indexOf(found), 1);
    },
  };
}

/**
 * On which side of one that came between two others the next is expected: away from the one that it follows; between two that both came lately, on the
 * side of the later. Undefined where nothing came lately.
 */
function sideOfNext({ above, below }: { readonly above: number; readonly below: number }): "above" | "below" | undefined {
  if (above === below) return undefined;
  if (Number.isFinite(above) && Number.isFinite(below)) return below < above ? "below" : "above";
  return Number.isFinite(above) ? "below" : "above";
}
