import { type Flow, flowKey, sameContent } from "#lib/openflow/flow.ts";

/** What the switch must do to come from one state of a {@link FlowLedger} to a later one. */
export interface FlowChange {
  /** New flows and new contents of present ones. What others lead to comes first: tables in descending order. */
  readonly add: readonly Flow[];
  /** Flows that go, tables in ascending order. */
  readonly remove: readonly Flow[];
}

/**
 * The flows that should exist, by who wants them. Owners that want an equal flow share it. Of owners that want different things of one flow
 * entry (two ports that claim one address while the older goes away) the latest has its way until it takes its wish back.
 */
export interface FlowLedger {
  /** Makes the owner's wishes exactly `flows`. */
  set(owner: string, flows: readonly Flow[]): void;
  remove(owner: string): void;
  has(owner: string): boolean;
  flowsOf(owner: string): readonly Flow[];
  /** Every flow that should exist, by its key. */
  flows(): IterableIterator<readonly [key: string, flow: Flow]>;
  get(key: string): Flow | undefined;
  readonly size: number;
  /** What changed since the last call. */
  takeChange(): FlowChange;
  readonly changed: boolean;
  /** Hears that {@link changed} became true. */
  onChange(listener: () => void): () => void;
}

/** One owner's wish for one flow entry. */
interface Wish {
  readonly owner: string;
  readonly key: string;
  readonly flow: Flow;
}

export function createFlowLedger(): FlowLedger {
  /** In the order they were made; a single one, which is nearly always so, without a list around it. */
  const wishes = new Map<string, Wish | readonly Wish[]>();
  const byOwner = new Map<string, readonly Wish[]>();
  const listeners = new Set<() => void>();
  let before = new Map<string, Flow | undefined>();

  const effective = (key: string): Flow | undefined => {
    const wanted = wishes.get(key);
    return isList(wanted) ? wanted.at(-1)?.flow : wanted?.flow;
  };
  /** Of one entry, `owner`'s earlier wish goes and `wish` becomes the latest. */
  const replace = (key: string, owner: string, wish: Wish | undefined): void => {
    const present = wishes.get(key);
    if (!before.has(key)) before.set(key, effective(key));
    const alone = isList(present) ? present.every((other) => other.owner === owner) : present === undefined || present.owner === owner;
    if (!alone)
      wishes.set(key, [...[present ?? []].flat().filter((other) => other.owner !== owner), ...(wish === undefined ? [] : [wish])]);
    else if (wish === undefined) wishes.delete(key);
    else wishes.set(key, wish);
  };
  const announce = (wasChanged: boolean): void => {
    if (!wasChanged && before.size > 0) for (const listener of [...listeners]) listener();
  };
  const set = (owner: string, flows: readonly Flow[]): void => {
    const wasChanged = before.size > 0;
    const present = byKey(byOwner.get(owner) ?? []);
    const wanted = byKey(flows.map((flow) => ({ owner, key: flowKey(flow), flow })));
    for (const key of present.keys()) if (!wanted.has(key)) replace(key, owner, undefined);
    for (const [key, wish] of wanted) {
      const old = present.get(key);
      if (old === undefined || !sameContent(old.flow, wish.flow)) replace(key, owner, wish);
    }
    if (wanted.size > 0) byOwner.set(owner, [...wanted.values()]);
    else byOwner.delete(owner);
    announce(wasChanged);
  };

  return {
    set,
    remove: (owner) => set(owner, []),
    has: (owner) => byOwner.has(owner),
    flowsOf: (owner) => (byOwner.get(owner) ?? []).map(({ flow }) => flow),
    *flows() {
      for (const key of wishes.keys()) {
        const flow = effective(key);
        if (flow !== undefined) yield [key, flow];
      }
    },
    get: effective,
    get size() {
      return wishes.size;
    },
    get changed() {
      return before.size > 0;
    },
    takeChange() {
      const add: Flow[] = [];
      const remove: Flow[] = [];
      for (const [key, old] of before) {
        const now = effective(key);
        if (now === undefined) {
          if (old !== undefined) remove.push(old);
        } else if (old === undefined || !sameContent(old, now)) add.push(now);
      }
      before = new Map();
      return { add: add.sort((a, b) => b.table - a.table), remove: remove.sort((a, b) => a.table - b.table) };
    },
    onChange(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
  };
}

const isList = (wishes: Wish | readonly Wish[] | undefined): wishes is readonly Wish[] => Array.isArray(wishes);

const byKey = (wishes: readonly Wish[]): ReadonlyMap<string, Wish> =>
  wishes.length === 0 ? noWishes : new Map(wishes.map((wish) => [wish.key, wish]));
const noWishes: ReadonlyMap<string, Wish> = new Map();
