import { type Flow, flowKey, sameContent } from "#lib/openflow/flow.ts";
import { createSharedMap, type SharedMap } from "#lib/table/index.ts";
import { isInPart, pageOfCookie } from "./cookie.ts";
import { type CollectedFlows, createFlowCollection, type FlowCollection, type FlowComparison, type FlowKind } from "./flow-collection.ts";

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
  /** Whether the flow that should exist under the key of `present` is like it: what reads a whole switch asks for each of many flows that are as they should be. */
  compare(present: Flow): FlowComparison;
  /** Tells flows apart as their keys do, those that are in the form in which a switch gives them back. Of the many flows of lookup tables no key is made for it. */
  identify(flow: Flow): FlowIdentity;
  /** Flows that should exist and are not among those `found`: of all tables, or of a part of one as {@link cookiePages} cuts it. No others are made for it. */
  lacking(found: ReadonlySet<FlowIdentity>, within?: PartOfTable): Flow[];
  readonly size: number;
  /** How many flows should be in these tables. */
  sizeIn(tables: ReadonlySet<number>): number;
  /** What changed since the last call. */
  takeChange(): FlowChange;
  readonly changed: boolean;
  /** Hears that {@link changed} became true. */
  onChange(listener: () => void): () => void;
}

/** See {@link FlowLedger.identify}. Equal as long as there is no new collection of the flow's table. */
export type FlowIdentity = string | number;

/** Flows of a table whose cookies have these bits. */
export interface PartOfTable {
  readonly table: number;
  readonly cookie: bigint;
  readonly cookieMask: bigint;
}

/** One that wants flows. */
export interface FlowOwner {
  /** Makes the owner's wishes exactly `flows`. */
  set(flows: readonly Flow[]): void;
  flows(): readonly Flow[];
}

/** One flow entry of the switch, and who wants what of it. Never changed: another takes its place. */
interface Entry {
  /** The latest that wants something of it, and what. */
  readonly owner: Owner;
  readonly flow: Flow;
  /** Others, in the order in which they made their wishes; hardly ever any. */
  readonly others: readonly Wish[] | undefined;
}

/** Whoever has a name is its name: ledgers of one process have the same entries then. */
type Owner = string | object;

interface Wish {
  readonly owner: Owner;
  readonly flow: Flow;
}

/** All that an owner wants. Never changed. */
interface Wishes {
  readonly owner: Owner;
  readonly flows: readonly Flow[];
  readonly keys: readonly string[];
  /** What there is of each flow while nobody else wants something of it. */
  readonly entries: readonly Entry[];
}

export interface FlowLedgerOptions {
  /** Changes of so many flows reach the switch all at once; larger ones in parts, between which packets pass. */
  readonly atOnce?: number;
}

/** Less than what goes into one bundle, so that all flows of a change are in it. */
const smallChange = 500;

export function createFlowLedger({ atOnce = smallChange }: FlowLedgerOptions = {}): FlowLedger {
  /** By table, then by key. A cluster in memory has as many as agents times nodes, nearly all of them the same in all ledgers. */
  const tables: (SharedMap<string, Entry> | undefined)[] = [];
  const byName = createSharedMap<string, Wishes>();
  const listeners = new Set<() => void>();
  const collections: CollectedFlows[] = [];
  /** With what was effective when the last change was taken. */
  const changed = new Map<string, Flow | undefined>();
  let collectionsChanged = false;

  const tableOf = (number: number): SharedMap<string, Entry> => (tables[number] ??= createSharedMap());
  const find = (key: string): Entry | undefined => tables[tableOfKey(key)]?.get(key);
  /** `owner` wants `flow` from now on, or nothing of what it wanted. `alone` is what there is when nobody else wants anything. */
  const wish = (key: string, { owner, flow, alone }: { owner: Owner; flow: Flow | undefined; alone?: Entry | undefined }): void => {
    const table = tableOf(tableOfKey(key));
    const present = table.get(key);
    if (!changed.has(key)) changed.set(key, present?.flow);
    if (present === undefined || (present.owner === owner && present.others === undefined)) {
      if (flow === undefined) table.delete(key);
      else table.set(key, alone ?? { owner, flow, others: undefined });
      return;
    }
    const others = wishesOfEntry(present).filter((other) => other.owner !== owner);
    const latest = flow === undefined ? others.pop() : { owner, flow };
    if (latest === undefined) table.delete(key);
    else table.set(key, { ...latest, others: others.length === 0 ? undefined : others });
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
  const change = (present: Wishes | undefined, wanted: Wishes): void => {
    const wasChanged = hasChanged();
    const { owner, flows, keys } = wanted;
    for (const [index, flow] of flows.entries()) {
      const key = keys[index] as string;
      const old = flowOf(find(key), owner);
      if (old === undefined || !sameContent(old, flow)) wish(key, { owner, flow, alone: wanted.entries[index] });
    }
    if (present !== undefined && present.keys.length > 0 && present.keys !== keys) {
      const kept = new Set(keys);
      for (const key of present.keys) if (!kept.has(key)) wish(key, { owner, flow: undefined });
    }
    announce(wasChanged);
  };
  const flowsOf = ({ owner, keys }: Wishes): readonly Flow[] =>
    keys.map((key) => flowOf(find(key), owner)).filter((flow) => flow !== undefined);
  const set = (name: string, flows: readonly Flow[]): void => {
    const present = byName.get(name);
    if (present === undefined && flows.length === 0) return;
    const wanted = wishesOf(name, flows);
    if (flows.length === 0) byName.delete(name);
    else byName.set(name, wanted);
    change(present, wanted);
  };
  /** Collections of the table of that number. */
  const collected = (table: number): readonly CollectedFlows[] => collections.filter((collection) => collection.table === table);
  const sizeOf = (table: number): number => collected(table).reduce((sum, { size }) => sum + size, tables[table]?.size ?? 0);

  return {
    set,
    remove: (owner) => set(owner, []),
    owner() {
      let wishes: Wishes = { owner: {}, flows: [], keys: [], entries: [] };
      return {
        set(flows) {
          const before = wishes;
          wishes = wishesOf(before.owner, flows);
          change(before, wishes);
        },
        flows: () => flowsOf(wishes),
      };
    },
    collect(kind) {
      const made = createFlowCollection(kind, noteCollection);
      collections.push(made.collected);
      return made.collection;
    },
    has: (owner) => byName.has(owner),
    flowsOf(name) {
      const wishes = byName.get(name);
      return wishes === undefined ? [] : flowsOf(wishes);
    },
    *flows(wanted) {
      for (const [number, table] of tables.entries())
        if (table !== undefined && (wanted === undefined || wanted.has(number))) for (const [key, { flow }] of table) yield [key, flow];
      for (const collection of collections) if (wanted === undefined || wanted.has(collection.table)) yield* collection.flows();
    },
    get(key) {
      const entry = find(key);
      if (entry !== undefined) return entry.flow;
      const table = tableOfKey(key);
      for (const collection of collections) {
        const flow = collection.table === table ? collection.get(key) : undefined;
        if (flow !== undefined) return flow;
      }
      return undefined;
    },
    compare(present) {
      const { table } = present;
      // Nearly all flows of a switch are in them.
      for (const collection of collections) {
        const id = collection.table === table ? collection.idOfFlow(present) : undefined;
        if (id !== undefined) return collection.compareOf(id, present);
      }
      const key = flowKey(present);
      for (const collection of collections) {
        const found = collection.table === table ? collection.compare(key, present) : "unknown";
        if (found !== "unknown") return found;
      }
      const entry = tables[table]?.get(key);
      if (entry === undefined) return "unknown";
      return sameContent(present, entry.flow) ? "same" : "other";
    },
    identify(flow) {
      for (let place = 0; place < collections.length; place++) {
        const collection = collections[place];
        const id = collection?.table === flow.table ? collection.idOfFlow(flow) : undefined;
        if (id !== undefined) return identityOf(id, place);
      }
      return flowKey(flow);
    },
    lacking(found, within) {
      const isOnPage = within === undefined ? () => true : isInPart(within);
      const isAsked = (table: number): boolean => within === undefined || within.table === table;
      const lacking: Flow[] = [];
      for (const [number, table] of tables.entries())
        if (table !== undefined && isAsked(number))
          for (const [key, { flow }] of table) if (!found.has(key) && isOnPage(pageOfCookie(flow.cookie))) lacking.push(flow);
      for (const [place, collection] of collections.entries()) {
        if (!isAsked(collection.table)) continue;
        const isFound = { byId: (id: string | number) => found.has(identityOf(id, place)), byKey: (key: string) => found.has(key) };
        for (const flow of collection.lacking({ isFound, isOnPage })) lacking.push(flow);
      }
      return lacking;
    },
    get size() {
      const size = tables.reduce((sum, table) => sum + (table?.size ?? 0), 0);
      return collections.reduce((sum, collection) => sum + collection.size, size);
    },
    sizeIn: (numbers) => [...numbers].reduce((sum, number) => sum + sizeOf(number), 0),
    get changed() {
      return hasChanged();
    },
    takeChange() {
      const add: Flow[] = [];
      const remove: Flow[] = [];
      for (const [key, before] of changed) {
        const now = find(key)?.flow;
        if (now === undefined) {
          if (before !== undefined) remove.push(before);
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

/** More than there are pages of sets in all lookup tables; with it an address of 32 bits makes a whole number. */
const mostCollections = 2 ** 20;
const identityOf = (id: string | number, place: number): FlowIdentity =>
  typeof id === "number" ? id * mostCollections + place : `${place}/${id}`;

/** Lists that are frozen, as what several ledgers share is, are looked at once. */
const sharedWishes = new WeakMap<readonly Flow[], Wishes>();
function wishesOf(owner: Owner, flows: readonly Flow[]): Wishes {
  const known = sharedWishes.get(flows);
  if (known?.owner === owner) return known;
  const keys = known?.keys ?? flows.map(flowKey);
  const wishes = { owner, flows, keys, entries: flows.map((flow): Entry => ({ owner, flow, others: undefined })) };
  if (Object.isFrozen(flows)) sharedWishes.set(flows, wishes);
  return wishes;
}

/** A flow's key begins with its table. */
const tableOfKey = (key: string): number => Number.parseInt(key, 10);

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
const wishesOfEntry = ({ owner, flow, others = [] }: Entry): Wish[] => [...others, { owner, flow }];

const flowOf = (entry: Entry | undefined, owner: Owner): Flow | undefined =>
  entry?.owner === owner ? entry.flow : entry?.others?.find((wish) => wish.owner === owner)?.flow;
