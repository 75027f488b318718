import { type Counters, noCounters, plus, type PolicyCounters } from "#core/statistics/index.ts";

export type Counted = Pick<PolicyCounters, "total" | "rules">;

/**
 * What one node counted of one policy, by the beginnings of its counting. Of two that know different things {@link joined} makes one that knows both, in
 * whatever order and however often; no sum of it ever goes backwards.
 */
export interface NodeCounted {
  readonly epochs: ReadonlyMap<string, Counted>;
  /** All beginnings up to this one, together: a node that loses its disk again and again does not grow. */
  readonly former?: { readonly through: string; readonly total: Counters };
}

export const nothingCounted: NodeCounted = { epochs: new Map() };

/** A node whose disk is lost each day has two months of them. One whose clock is behind all of them is not counted on after that. */
const epochsKept = 64;

/** With a report of the node itself; the same object when that says nothing new. */
export function withReport(counted: NodeCounted, epoch: string, told: Counted): NodeCounted {
  const present = counted.epochs.get(epoch);
  if (isOver(counted, epoch) || (present !== undefined && isLess(told.total, present.total))) return counted;
  if (present !== undefined && isSame(present, told)) return counted;
  return folded({ ...counted, epochs: new Map(counted.epochs).set(epoch, told) });
}

/** With what another replica knows of it; the same object when that is nothing new. */
export function joined(one: NodeCounted, other: NodeCounted): NodeCounted {
  let result = one;
  if (other.former !== undefined) result = withFormer(result, other.former);
  for (const [epoch, told] of other.epochs) {
    const present = result.epochs.get(epoch);
    // Of two with equal sums the rules may differ, as one that went is left out: what the node itself said here stays.
    if (present === undefined || isLess(present.total, told.total)) result = withReport(result, epoch, told);
  }
  return result;
}

/** Of rules those of all beginnings that are known one by one. */
export function sumOf({ epochs, former }: NodeCounted): Counted {
  return [...epochs.values()].reduce(together, { total: former?.total ?? noCounters, rules: new Map() });
}

export function together(one: Counted, other: Counted): Counted {
  const rules = new Map(one.rules);
  for (const [name, counters] of other.rules) rules.set(name, plus(rules.get(name) ?? noCounters, counters));
  return { total: plus(one.total, other.total), rules };
}

/** Which of two beginnings was first, as far as the node's wall clock knows: their names begin with it. */
export function compareEpochs(one: string, other: string): number {
  const difference = Number.parseInt(one, 10) - Number.parseInt(other, 10);
  if (!Number.isNaN(difference) && difference !== 0) return difference;
  return one === other ? 0 : one < other ? -1 : 1;
}

const isOver = ({ former }: NodeCounted, epoch: string): boolean => former !== undefined && compareEpochs(epoch, former.through) <= 0;

/** Takes over where another one drew the line; below it, the larger sum is nearer the truth. */
function withFormer(counted: NodeCounted, former: NonNullable<NodeCounted["former"]>): NodeCounted {
  const own = counted.former;
  if (own !== undefined && compareEpochs(former.through, own.through) < 0) return counted;
  const before = [...counted.epochs].filter(([epoch]) => compareEpochs(epoch, former.through) <= 0);
  const below = before.reduce((sum, [, { total }]) => plus(sum, total), own?.total ?? noCounters);
  const total = largest(below, former.total);
  if (own?.through === former.through && before.length === 0 && isEqual(total, own.total)) return counted;
  return { epochs: new Map([...counted.epochs].filter((entry) => !before.includes(entry))), former: { through: former.through, total } };
}

function folded(counted: NodeCounted): NodeCounted {
  if (counted.epochs.size <= epochsKept) return counted;
  const [oldest] = [...counted.epochs.keys()].sort(compareEpochs);
  const total = counted.epochs.get(oldest ?? "")?.total;
  if (oldest === undefined || total === undefined) return counted;
  const epochs = new Map(counted.epochs);
  epochs.delete(oldest);
  return { epochs, former: { through: oldest, total: plus(counted.former?.total ?? noCounters, total) } };
}

const isLess = (one: Counters, other: Counters): boolean =>
  one.packets < other.packets || one.bytes < other.bytes || one.sessions < other.sessions;
const isEqual = (one: Counters, other: Counters): boolean =>
  one.packets === other.packets && one.bytes === other.bytes && one.sessions === other.sessions;
const isSame = (one: Counted, other: Counted): boolean =>
  isEqual(one.total, other.total) &&
  one.rules.size === other.rules.size &&
  [...one.rules].every(([name, counters]) => isEqual(counters, other.rules.get(name) ?? noCounters) && other.rules.has(name));
const largest = (one: Counters, other: Counters): Counters => ({
  sessions: Math.max(one.sessions, other.sessions),
  packets: Math.max(one.packets, other.packets),
  bytes: Math.max(one.bytes, other.bytes),
});
