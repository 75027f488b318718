import { type Flow, sameContent } from "#lib/openflow/flow.ts";

/** What flows of one kind have in common: all are made of a short id and a value. */
export interface FlowKind<Id extends string | number, Value> {
  /** Where all of them are. */
  readonly table: number;
  flow(id: Id, value: Value): Flow;
  /** Of that flow, all that its key does not say and flows of the kind differ in. */
  content(id: Id, value: Value): Pick<Flow, "cookie" | "actions">;
  /** The page of the id's cookie. */
  page(id: Id): number;
  /** The flow key of the id's flow, whatever its value. */
  key(id: Id): string;
  /** The id whose flow has this key; undefined for keys of other kinds. */
  idOf(key: string): Id | undefined;
  /** The same, of a flow in the form in which a switch gives it back, where that is to be had without its key. Undefined for flows of other kinds. */
  idOfFlow?(flow: Flow): Id | undefined;
  /**
   * The value that gives packets what they have before and what they have after, for a change that reaches the switch in parts. May be asked
   * for ids of both states.
   */
  between(id: Id, before: (id: Id) => Value | undefined, after: (id: Id) => Value | undefined): Value;
  /**
   * What may be told before everything else, as it means nothing to any flow that is there: what packets have before, with that part of what they
   * have after which is new. Undefined when there is nothing to tell.
   */
  early(id: Id, before: (id: Id) => Value | undefined, after: (id: Id) => Value | undefined): Value | undefined;
  /** Whether all of the value is new in that sense. */
  isNew(value: Value): boolean;
}

/**
 * Flows of one kind that nobody else wants, kept as ids and values: a flow is made when somebody looks. Lookup tables have tens of thousands of
 * flows that differ in one address each.
 */
export interface FlowCollection<Id extends string | number, Value> {
  /** Makes the id's flow one of `value`; undefined takes it away. Values are compared by identity. */
  set(id: Id, value: Value | undefined): void;
  get(id: Id): Value | undefined;
  entries(): Iterable<readonly [Id, Value]>;
  readonly size: number;
}

/** What is wanted under a flow's key: the same flow, another one, or none. */
export type FlowComparison = "same" | "other" | "unknown";

/** The side of a collection that the ledger sees. */
export interface CollectedFlows {
  readonly table: number;
  readonly size: number;
  get(key: string): Flow | undefined;
  /** The id of a flow of the kind, whether it is wanted or not; undefined where only its key can tell. */
  idOfFlow(flow: Flow): string | number | undefined;
  /** As {@link FlowLedger.compare}, without making the flow that is wanted under a key, or of an id. */
  compare(key: string, present: Flow): FlowComparison;
  compareOf(id: string | number, present: Flow): FlowComparison;
  flows(): Iterable<readonly [key: string, flow: Flow]>;
  /** Flows of some pages that were not found, without making the others. */
  lacking(options: LackingOptions): Iterable<Flow>;
  /** How many flows changed, or more. */
  readonly changes: number;
  /** Adds what changed since the last call to the lists. */
  takeChange(lists: ChangeLists, options: { readonly inParts: boolean }): void;
}

export interface LackingOptions {
  /** By the id that {@link CollectedFlows.idOfFlow} gives, or by the key where it gives none. */
  readonly isFound: { readonly byId: (id: string | number) => boolean; readonly byKey: (key: string) => boolean };
  readonly isOnPage: (page: number) => boolean;
}

/** Flows in the order in which they are told to the switch. */
export interface ChangeLists {
  /** Contents that no flow which is there yet reads anything new from. */
  readonly early: Flow[];
  /** New flows and new contents. */
  readonly add: Flow[];
  /** Contents that may come only when all of `add` is there. */
  readonly late: Flow[];
  readonly remove: Flow[];
}

export function createFlowCollection<Id extends string | number, Value>(
  kind: FlowKind<Id, Value>,
  noteChange: () => void,
): { readonly collection: FlowCollection<Id, Value>; readonly collected: CollectedFlows } {
  const values = new Map<Id, Value>();
  /** Values when the last change was taken, of ids that changed since. */
  const before = new Map<Id, Value | undefined>();
  const collection: FlowCollection<Id, Value> = {
    set(id, value) {
      const present = values.get(id);
      if (present === value) return;
      if (!before.has(id)) before.set(id, present);
      if (value === undefined) values.delete(id);
      else values.set(id, value);
      noteChange();
    },
    get: (id) => values.get(id),
    entries: () => values,
    get size() {
      return values.size;
    },
  };
  const compareOf = (id: Id, present: Flow): FlowComparison => {
    const value = values.get(id);
    if (value === undefined) return "unknown";
    return sameContent(present, kind.content(id, value)) ? "same" : "other";
  };
  const collected: CollectedFlows = {
    table: kind.table,
    get size() {
      return values.size;
    },
    get(key) {
      const id = kind.idOf(key);
      const value = id === undefined ? undefined : values.get(id);
      return id === undefined || value === undefined ? undefined : kind.flow(id, value);
    },
    idOfFlow: (flow) => kind.idOfFlow?.(flow),
    compare(key, present) {
      const id = kind.idOf(key);
      return id === undefined ? "unknown" : compareOf(id, present);
    },
    compareOf: (id, present) => compareOf(id as Id, present),
    *flows() {
      for (const [id, value] of values) yield [kind.key(id), kind.flow(id, value)];
    },
    *lacking({ isFound, isOnPage }) {
      const isThere = kind.idOfFlow === undefined ? (id: Id) => isFound.byKey(kind.key(id)) : isFound.byId;
      for (const [id, value] of values) if (isOnPage(kind.page(id)) && !isThere(id)) yield kind.flow(id, value);
    },
    get changes() {
      return before.size;
    },
    takeChange({ early, add, late, remove }, { inParts }) {
      const valueBefore = (id: Id): Value | undefined => (before.has(id) ? before.get(id) : values.get(id));
      const valueAfter = (id: Id): Value | undefined => values.get(id);
      // Where nothing was, nothing can be lost.
      const careful = inParts && (values.size > before.size || [...before.values()].some((value) => value !== undefined));
      for (const [id, old] of before) {
        const now = values.get(id);
        if (now === old) continue;
        let told = old;
        // Where nothing was and all is new, there is nothing to put together.
        if (inParts && !careful && now !== undefined && kind.isNew(now)) told = now;
        else if (inParts) told = kind.early(id, valueBefore, valueAfter) ?? old;
        if (told !== undefined && told !== old) early.push(kind.flow(id, told));
        const first = careful ? kind.between(id, valueBefore, valueAfter) : (now ?? old);
        if (first !== undefined && first !== told) add.push(kind.flow(id, first));
        if (now === undefined && old !== undefined) remove.push(kind.flow(id, old));
        if (now !== undefined && now !== first) late.push(kind.flow(id, now));
      }
      before.clear();
    },
  };
  return { collection, collected };
}
