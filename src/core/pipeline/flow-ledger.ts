import { type Flow, flowKey, sameFlow } from "#lib/openflow/flow.ts";

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

export function createFlowLedger(): FlowLedger {
  const wishes = new Map<string, Map<string, Flow>>();
  const byOwner = new Map<string, ReadonlyMap<string, Flow>>();
  const listeners = new Set<() => void>();
  let before = new Map<string, Flow | undefined>();

  const effective = (key: string): Flow | undefined => {
    const wanted = wishes.get(key);
    return wanted === undefined ? undefined : [...wanted.values()].at(-1);
  };
  const wish = (key: string, owner: string, flow: Flow | undefined): void => {
    if (!before.has(key)) before.set(key, effective(key));
    const wanted = wishes.get(key) ?? new Map<string, Flow>();
    wanted.delete(owner);
    if (flow !== undefined) wanted.set(owner, flow);
    if (wanted.size > 0) wishes.set(key, wanted);
    else wishes.delete(key);
  };
  const announce = (wasChanged: boolean): void => {
    if (!wasChanged && before.size > 0) for (const listener of [...listeners]) listener();
  };
  const set = (owner: string, flows: readonly Flow[]): void => {
    const wasChanged = before.size > 0;
    const wanted = new Map(flows.map((flow) => [flowKey(flow), flow]));
    const present = byOwner.get(owner);
    for (const key of present?.keys() ?? []) if (!wanted.has(key)) wish(key, owner, undefined);
    for (const [key, flow] of wanted) {
      const old = present?.get(key);
      if (old === undefined || !sameFlow(old, flow)) wish(key, owner, flow);
    }
    if (wanted.size > 0) byOwner.set(owner, wanted);
    else byOwner.delete(owner);
    announce(wasChanged);
  };

  return {
    set,
    remove: (owner) => set(owner, []),
    has: (owner) => byOwner.has(owner),
    flowsOf: (owner) => [...(byOwner.get(owner)?.values() ?? [])],
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
        } else if (old === undefined || !sameFlow(old, now)) add.push(now);
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
