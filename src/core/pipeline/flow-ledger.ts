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

/** One flow entry of the switch, and who wants what of it. It stays until the change that nobody wants it any more was taken. */
interface Entry {
  readonly key: string;
  /** In the order they were made; a single one, which is nearly always so, without a list around it. */
  wishes: Wish | readonly Wish[] | undefined;
  changed: boolean;
  /** While changed: what was effective when the last change was taken. */
  before: Flow | undefined;
}

interface Wish {
  readonly owner: string;
  readonly flow: Flow;
}

export function createFlowLedger(): FlowLedger {
  const entries = new Map<string, Entry>();
  const byOwner = new Map<string, readonly Entry[]>();
  const listeners = new Set<() => void>();
  let changed: Entry[] = [];
  let size = 0;

  /** `owner` wants `flow` of the entry from now on, or nothing. */
  const wish = (entry: Entry, owner: string, flow: Flow | undefined): void => {
    if (!entry.changed) {
      entry.changed = true;
      entry.before = effective(entry);
      changed.push(entry);
    }
    const { wishes } = entry;
    const made = flow === undefined ? undefined : { owner, flow };
    if (isList(wishes)) {
      const others = wishes.filter((other) => other.owner !== owner);
      const now = made === undefined ? others : [...others, made];
      entry.wishes = now.length === 1 ? now[0] : now;
    } else if (wishes === undefined || wishes.owner === owner) entry.wishes = made;
    else if (made !== undefined) entry.wishes = [wishes, made];
    size += (entry.wishes === undefined ? 0 : 1) - (wishes === undefined ? 0 : 1);
  };
  const entryOf = (flow: Flow): Entry => {
    const key = flowKey(flow);
    let entry = entries.get(key);
    if (entry === undefined) {
      entry = { key, wishes: undefined, changed: false, before: undefined };
      entries.set(key, entry);
    }
    return entry;
  };
  const announce = (wasChanged: boolean): void => {
    if (!wasChanged && changed.length > 0) for (const listener of [...listeners]) listener();
  };
  const set = (owner: string, flows: readonly Flow[]): void => {
    const wasChanged = changed.length > 0;
    const present = byOwner.get(owner) ?? [];
    const wanted = flows.map((flow) => {
      const entry = entryOf(flow);
      const old = flowOf(entry, owner);
      if (old === undefined || !sameContent(old, flow)) wish(entry, owner, flow);
      return entry;
    });
    if (present.length > 0) {
      const kept = new Set(wanted);
      for (const entry of present) if (!kept.has(entry)) wish(entry, owner, undefined);
    }
    if (wanted.length > 0) byOwner.set(owner, wanted);
    else byOwner.delete(owner);
    announce(wasChanged);
  };

  return {
    set,
    remove: (owner) => set(owner, []),
    has: (owner) => byOwner.has(owner),
    flowsOf: (owner) => (byOwner.get(owner) ?? []).map((entry) => flowOf(entry, owner)).filter((flow) => flow !== undefined),
    *flows() {
      for (const entry of entries.values()) {
        const flow = effective(entry);
        if (flow !== undefined) yield [entry.key, flow];
      }
    },
    get(key) {
      const entry = entries.get(key);
      return entry && effective(entry);
    },
    get size() {
      return size;
    },
    get changed() {
      return changed.length > 0;
    },
    takeChange() {
      const add: Flow[] = [];
      const remove: Flow[] = [];
      for (const entry of changed) {
        const { before } = entry;
        const now = effective(entry);
        if (now === undefined) {
          if (before !== undefined) remove.push(before);
          entries.delete(entry.key);
        } else if (before === undefined || !sameContent(before, now)) add.push(now);
        entry.changed = false;
        entry.before = undefined;
      }
      changed = [];
      return { add: add.sort((a, b) => b.table - a.table), remove: remove.sort((a, b) => a.table - b.table) };
    },
    onChange(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
  };
}

const isList = (wishes: Wish | readonly Wish[] | undefined): wishes is readonly Wish[] => Array.isArray(wishes);

const effective = ({ wishes }: Entry): Flow | undefined => (isList(wishes) ? wishes.at(-1)?.flow : wishes?.flow);

function flowOf({ wishes }: Entry, owner: string): Flow | undefined {
  if (isList(wishes)) return wishes.find((wish) => wish.owner === owner)?.flow;
  return wishes?.owner === owner ? wishes.flow : undefined;
}
