import { type Flow, flowKey, sameContent } from "#lib/openflow/flow.ts";
import { type CollectedFlows, createFlowCollection, type FlowCollection, type FlowKind } from "./flow-collection.ts";

/** What the switch must do to come from one state of a {@link FlowLedger} to a later one. */
export interface FlowChange {
  /**
   * New flows and new contents of present ones. What others lead to comes first: tables in descending order, and in a table the flows that win.
   * In a large change some flows come twice: what they had must stay until what takes its place is there, and bits that nobody asks for yet come
   * before those who will.
   */
  readonly add: readonly Flow[];
  /** Flows that go, in the opposite order. */
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
  /** An owner without a name, for those that keep it. */
  owner(): FlowOwner;
  /** Many flows of one kind in a compact form. No owner may want a flow of that kind by {@link FlowLedger.set}. */
  collect<Id extends string | number, Value>(kind: FlowKind<Id, Value>): FlowCollection<Id, Value>;
  has(owner: string): boolean;
  flowsOf(owner: string): readonly Flow[];
  /** Every flow that should exist, by its key; or those of some tables, without making the others. */
  flows(tables?: ReadonlySet<number>): IterableIterator<readonly [key: string, flow: Flow]>;
  get(key: string): Flow | undefined;
  readonly size: number;
  /** How many flows should be in these tables. */
  sizeIn(tables: ReadonlySet<number>): number;
  /** What changed since the last call. */
  takeChange(): FlowChange;
  readonly changed: boolean;
  /** Hears that {@link changed} became true. */
  onChange(listener: () => void): () => void;
}

/** One that wants flows. */
export interface FlowOwner {
  /** Makes the owner's wishes exactly `flows`. */
  set(flows: readonly Flow[]): void;
  flows(): readonly Flow[];
}

/**
 * One flow entry of the switch, and who wants what of it. It stays until the change that nobody wants it any more was taken. Small: a cluster in memory has as many as agents
 * times nodes.
 */
interface Entry {
  readonly key: string;
  /** The latest that wants something of it, and what. */
  owner: Owner | undefined;
  flow: Flow | undefined;
  /** Others, in the order in which they made their wishes; hardly ever any. */
  others: readonly Wish[] | undefined;
}

/** An owner is its list of entries. */
interface Owner {
  entries: readonly Entry[];
}

interface Wish {
  readonly owner: Owner;
  readonly flow: Flow;
}

export interface FlowLedgerOptions {
  /** Changes of so many flows reach the switch all at once; larger ones in parts, between which packets pass. */
  readonly atOnce?: number;
}

/** Less than what goes into one bundle, so that all flows of a change are in it. */
const smallChange = 500;

export function createFlowLedger({ atOnce = smallChange }: FlowLedgerOptions = {}): FlowLedger {
  const entries = new Map<string, Entry>();
  const byName = new Map<string, Owner>();
  const listeners = new Set<() => void>();
  const collections: CollectedFlows[] = [];
  /** With what was effective when the last change was taken. */
  const changed = new Map<Entry, Flow | undefined>();
  let collectionsChanged = false;
  let size = 0;
  /** By table. */
  const sizes: number[] = [];

  /** `owner` wants `flow` of the entry from now on, or nothing. */
  const wish = (entry: Entry, owner: Owner, flow: Flow | undefined): void => {
    if (!changed.has(entry)) changed.set(entry, entry.flow);
    const table = (flow ?? entry.flow)?.table ?? 0;
    const had = entry.flow !== undefined;
    const others = wishesOf(entry).filter((other) => other.owner !== owner);
    const latest = flow === undefined ? others.pop() : { owner, flow };
    entry.owner = latest?.owner;
    entry.flow = latest?.flow;
    entry.others = others.length === 0 ? undefined : others;
    const more = (entry.flow === undefined ? 0 : 1) - (had ? 1 : 0);
    size += more;
    sizes[table] = (sizes[table] ?? 0) + more;
  };
  const entryOf = (key: string): Entry => {
    let entry = entries.get(key);
    if (entry === undefined) {
      entry = { key, owner: undefined, flow: undefined, others: undefined };
      entries.set(key, entry);
    }
    return entry;
  };
  const hasChanged = (): boolean => changed.size > 0 || collectionsChanged;
  const announce = (wasChanged: boolean): void => {
    if (!wasChanged && hasChanged()) for (const listener of [...listeners]) listener();
  };
  const noteCollection = (): void => {
    const wasChanged = hasChanged();
    collectionsChanged = true;
    announce(wasChanged);
  };
  const setFlows = (owner: Owner, flows: readonly Flow[]): void => {
    const wasChanged = hasChanged();
    const present = owner.entries;
    const keys = keysOf(flows);
    const wanted = flows.map((flow, index) => {
      const entry = entryOf(keys[index] as string);
      const old = flowOf(entry, owner);
      if (old === undefined || !sameContent(old, flow)) wish(entry, owner, flow);
      return entry;
    });
    if (present.length > 0) {
      const kept = new Set(wanted);
      for (const entry of present) if (!kept.has(entry)) wish(entry, owner, undefined);
    }
    owner.entries = wanted;
    announce(wasChanged);
  };
  const flowsOf = (owner: Owner): readonly Flow[] =>
    owner.entries.map((entry) => flowOf(entry, owner)).filter((flow) => flow !== undefined);
  const set = (name: string, flows: readonly Flow[]): void => {
    let owner = byName.get(name);
    if (owner === undefined) {
      if (flows.length === 0) return;
      owner = { entries: [] };
      byName.set(name, owner);
    }
    if (flows.length === 0) byName.delete(name);
    setFlows(owner, flows);
  };

  return {
    set,
    remove: (owner) => set(owner, []),
    owner() {
      const owner: Owner = { entries: [] };
      return { set: (flows) => setFlows(owner, flows), flows: () => flowsOf(owner) };
    },
    collect(kind) {
      const { collected, collection } = createFlowCollection(kind, noteCollection);
      collections.push(collected);
      return collection;
    },
    has: (owner) => byName.has(owner),
    flowsOf(name) {
      const owner = byName.get(name);
      return owner === undefined ? [] : flowsOf(owner);
    },
    *flows(tables) {
      for (const entry of entries.values()) {
        const { flow } = entry;
        if (flow !== undefined && (tables === undefined || tables.has(flow.table))) yield [entry.key, flow];
      }
      for (const collection of collections) if (tables === undefined || tables.has(collection.table)) yield* collection.flows();
    },
    get(key) {
      const entry = entries.get(key);
      if (entry !== undefined) return entry.flow;
      for (const collection of collections) {
        const flow = collection.get(key);
        if (flow !== undefined) return flow;
      }
      return undefined;
    },
    get size() {
      return collections.reduce((sum, collection) => sum + collection.size, size);
    },
    sizeIn: (tables) =>
      [...tables].reduce((sum, table) => sum + (sizes[table] ?? 0), 0) +
      collections.reduce((sum, collection) => sum + (tables.has(collection.table) ? collection.size : 0), 0),
    get changed() {
      return hasChanged();
    },
    takeChange() {
      const add: Flow[] = [];
      const remove: Flow[] = [];
      for (const [entry, before] of changed) {
        const now = entry.flow;
        if (now === undefined) {
          if (before !== undefined) remove.push(before);
          entries.delete(entry.key);
        } else if (before === undefined || !sameContent(before, now)) add.push(now);
      }
      changed.clear();
      collectionsChanged = false;
      const early: Flow[] = [];
      const late: Flow[] = [];
      const inParts = collections.reduce((sum, { changes }) => sum + changes, add.length + remove.length) > atOnce;
      for (const collection of collections) collection.takeChange({ early, add, late, remove }, { inParts });
      return { add: [...inOrder(early).reverse(), ...inOrder(add).reverse(), ...late], remove: inOrder(remove) };
    },
    onChange(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
  };
}

/** Lists that are frozen, as what several ledgers share is, have the keys of their flows made once. */
const sharedKeys = new WeakMap<readonly Flow[], readonly string[]>();
function keysOf(flows: readonly Flow[]): readonly string[] {
  const known = sharedKeys.get(flows);
  if (known !== undefined) return known;
  const keys = flows.map(flowKey);
  if (Object.isFrozen(flows)) sharedKeys.set(flows, keys);
  return keys;
}

/** By table, then by priority: what is asked last goes first, in the reverse order comes first. */
function inOrder(flows: readonly Flow[]): Flow[] {
  const tables: Flow[][] = [];
  for (const flow of flows) {
    const table = tables[flow.table];
    if (table === undefined) tables[flow.table] = [flow];
    else table.push(flow);
  }
  return tables.flatMap((table) => table.sort((a, b) => a.priority - b.priority));
}

/** In the order in which they were made. */
const wishesOf = ({ owner, flow, others = [] }: Entry): Wish[] =>
  owner === undefined || flow === undefined ? [] : [...others, { owner, flow }];

const flowOf = (entry: Entry, owner: Owner): Flow | undefined =>
  entry.owner === owner ? entry.flow : entry.others?.find((wish) => wish.owner === owner)?.flow;
