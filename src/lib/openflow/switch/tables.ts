import type { Clock } from "#lib/runtime/index.ts";
import type { SwitchChange } from "../bundle.ts";
import { describeChange } from "../bundle.ts";
import { ChangesRefused, UnencodableFlow } from "../errors.ts";
import type { Flow, FlowMod } from "../flow.ts";
import type { Group, GroupMod } from "../group.ts";
import type { Fault } from "./faults.ts";
import { checkBucketActions, checkFlow, type PresentRules } from "./flow-check.ts";
import { chosenEntries, overlaps } from "./flow-selection.ts";
import { FlowTable } from "./flow-table.ts";
import { type BucketMod, changedBuckets, type CompiledGroup, compileGroup } from "./group-buckets.ts";
import { createMeters, type Meters } from "./meters.ts";
import { Refusal } from "./refusal.ts";
import { createEntry, type TableEntry, usesGroup } from "./table-entry.ts";

export type RemovalReason = "idle_timeout" | "hard_timeout" | "delete" | "group_delete";

/** Hears of entries as they change. */
export interface TableListener {
  added(entry: TableEntry): void;
  modified(entry: TableEntry): void;
  removed(entry: TableEntry, reason: RemovalReason): void;
}

/** The rules of the switch: flow tables, groups and meters, and how messages change them. */
export interface Rules {
  table(number: number): FlowTable | undefined;
  /** The same, if it ever held or was asked for anything. */
  usedTable(number: number): FlowTable | undefined;
  /** All of them. */
  usedTables(): readonly FlowTable[];
  readonly tableCount: number;
  group(number: number): CompiledGroup | undefined;
  groups(): Group[];
  readonly meters: Meters;
  entries(): Iterable<TableEntry>;
  /** Makes all changes or none. Throws {@link ChangesRefused}. */
  apply(changes: readonly SwitchChange[]): void;
  /** Adds or rewrites a learned flow, unless there are `limit` already (0: no limit). */
  learn(flow: Flow, limit: number): void;
  /** Whether {@link Rules.learn} would. */
  hasRoom(flow: Flow, limit: number): boolean;
  removeEntry(entry: TableEntry, reason: RemovalReason): void;
  /** Tells that an entry has shorter timeouts from now on. */
  shorten(entry: TableEntry): void;
  /** Takes away what timed out. */
  expire(): void;
  /** Goes up with every change. */
  readonly version: number;
  listen(listener: TableListener): () => void;
}

export function createRules(options: { clock: Clock; tables: number; fault?: Fault | undefined }): Rules {
  const { clock, tables: tableCount, fault } = options;
  /** Most are never used. */
  const tables: (FlowTable | undefined)[] = Array.from({ length: tableCount });
  const groups = new Map<number, CompiledGroup>();
  const meters = createMeters(clock);
  const listeners = new Set<TableListener>();
  const timed = new Set<TableEntry>();
  let version = 0;
  let undo: (() => void)[] = [];
  let events: (() => void)[] = [];

  const hasTimeout = ({ flow, finTimeouts }: TableEntry): boolean => Boolean(flow.idleTimeout || flow.hardTimeout || finTimeouts);
  const put = (entry: TableEntry): void => {
    tableOf(entry.flow.table).insert(entry);
    if (hasTimeout(entry)) timed.add(entry);
    version++;
  };
  const take = (entry: TableEntry): void => {
    tableOf(entry.flow.table).remove(entry);
    timed.delete(entry);
    version++;
  };
  const findTable = (number: number): FlowTable | undefined => {
    if (number < tableCount) tables[number] ??= new FlowTable(fault);
    return tables[number];
  };
  const tableOf = (number: number): FlowTable => {
    const table = findTable(number);
    if (table === undefined) throw new Refusal("OFPFMFC_BAD_TABLE_ID");
    return table;
  };
  const used = (): FlowTable[] => tables.filter((table) => table !== undefined);
  const tell = (event: (listener: TableListener) => void): void =>
    void events.push(() => {
      for (const listener of [...listeners]) event(listener);
    });

  const addEntry = (entry: TableEntry): void => {
    const present = tableOf(entry.flow.table).strict(entry);
    if (present !== undefined) take(present);
    put(entry);
    undo.push(() => {
      take(entry);
      if (present !== undefined) put(present);
    });
    tell((listener) => listener.added(entry));
  };
  const dropEntry = (entry: TableEntry, reason: RemovalReason): void => {
    if (!tableOf(entry.flow.table).has(entry)) return;
    take(entry);
    undo.push(() => put(entry));
    tell((listener) => listener.removed(entry, reason));
    for (const action of entry.flow.actions) if (action.type === "learn" && action.deleteLearned) dropLearned(action);
  };
  /** Flows that `delete_learned` made go with the last flow that makes such. */
  const dropLearned = ({ table, cookie = 0n }: { readonly table: number; readonly cookie?: bigint }): void => {
    const makesSuch = ({ actions }: Flow): boolean =>
      actions.some(
        (action) => action.type === "learn" && action.deleteLearned && action.table === table && (action.cookie ?? 0n) === cookie,
      );
    if (used().some((each) => each.selected(makesSuch).length > 0)) return;
    for (const entry of tableOf(table).selected((flow) => flow.cookie === cookie)) dropEntry(entry, "delete");
  };
  const rewriteEntry = (entry: TableEntry, flow: Flow): void => {
    const before = { flow: entry.flow, modified: entry.modified, packets: entry.packets, bytes: entry.bytes };
    const write = (next: Flow): void => {
      tableOf(entry.flow.table).remove(entry);
      entry.setFlow(next);
      tableOf(next.table).insert(entry);
      version++;
    };
    write(flow);
    entry.modified = clock.monotonic();
    undo.push(() => {
      write(before.flow);
      entry.modified = before.modified;
      entry.setCounts(before);
    });
    tell((listener) => listener.modified(entry));
  };

  const present: PresentRules = { tableCount, hasGroup: (number) => groups.has(number), hasMeter: (number) => meters.has(number) };
  const changeFlow = (mod: FlowMod): void => {
    const { command, flow } = mod;
    if (command === "add") {
      const terms = checkFlow(flow, present);
      const entry = createEntry(withoutActs(flow), { now: clock.monotonic(), fault, ...(terms === undefined ? {} : { terms }) });
      if (flow.flags?.includes("check_overlap") && overlaps(tableOf(flow.table), entry)) throw new Refusal("OFPFMFC_OVERLAP");
      addEntry(entry);
    } else if (command === "modify" || command === "modify_strict") {
      checkFlow(flow, present);
      for (const entry of chosenEntries(tables, mod)) {
        rewriteEntry(entry, { ...entry.flow, cookie: flow.cookie === anyCookie ? entry.flow.cookie : flow.cookie, actions: flow.actions });
        if (flow.flags?.includes("reset_counts")) entry.setCounts({ packets: 0, bytes: 0 });
      }
    } else for (const entry of chosenEntries(tables, mod)) dropEntry(entry, "delete");
  };

  const setGroup = (number: number, group: Group | undefined): void => {
    const before = groups.get(number);
    if (group === undefined) groups.delete(number);
    else groups.set(number, compileGroup(group, fault));
    version++;
    undo.push(() => {
      if (before === undefined) groups.delete(number);
      else groups.set(number, before);
      version++;
    });
  };
  const deleteGroup = (number: number): void => {
    if (!groups.has(number)) return;
    for (const table of used().filter(({ leading }) => leading > 0))
      for (const entry of table.selected(({ actions }) => usesGroup(actions, number))) dropEntry(entry, "group_delete");
    setGroup(number, undefined);
  };
  const changeGroup = (mod: GroupMod): void => {
    if (mod.command === "delete") {
      for (const number of mod.group === "all" ? [...groups.keys()] : [mod.group]) deleteGroup(number);
      return;
    }
    if (mod.command !== "insert_bucket" && mod.command !== "remove_bucket") {
      const exists = groups.has(mod.group.group);
      if (mod.command === "add" && exists) throw new Refusal("OFPGMFC_GROUP_EXISTS");
      if (mod.command === "modify" && !exists) throw new Refusal("OFPGMFC_UNKNOWN_GROUP");
      for (const bucket of mod.group.buckets) checkBucketActions(bucket.actions, present);
      setGroup(mod.group.group, mod.group);
      return;
    }
    changeBuckets(mod);
  };
  const changeBuckets = (mod: BucketMod): void => {
    const present = groups.get(mod.group)?.group;
    if (present === undefined) throw new Refusal("OFPGMFC_UNKNOWN_GROUP");
    setGroup(mod.group, { ...present, buckets: changedBuckets(present.buckets, mod) });
  };
  const changeOne = (change: SwitchChange): void => {
    if ("flow" in change) changeFlow(change);
    else if ("meterMod" in change) undo.push(meters.change(change.meterMod, (reason) => new Refusal(reason)));
    else changeGroup(change);
  };
  const hasRoom = (flow: Flow, limit: number): boolean => {
    if (limit === 0 || tableOf(flow.table).strict(createEntry(flow, { now: 0 })) !== undefined) return true;
    return tableOf(flow.table).selected(({ cookie }) => cookie === flow.cookie).length < limit;
  };
  const flush = (): void => {
    const due = events;
    events = [];
    undo = [];
    for (const event of due) event();
  };

  return {
    table: findTable,
    usedTable: (number) => tables[number],
    usedTables: used,
    tableCount,
    group: (number) => groups.get(number),
    groups: () => [...groups.values()].map(({ group }) => group).sort((one, other) => one.group - other.group),
    meters,
    *entries() {
      for (const table of used()) yield* table.entries();
    },
    apply(changes) {
      undo = [];
      events = [];
      for (const change of changes) {
        try {
          changeOne(change);
        } catch (error) {
          if (!(error instanceof Refusal) && !(error instanceof UnencodableFlow)) throw error;
          for (const back of undo.toReversed()) back();
          undo = [];
          events = [];
          throw new ChangesRefused([{ change, reason: error instanceof Refusal ? error.reason : error.message }], describeChange);
        }
      }
      flush();
    },
    learn(flow, limit) {
      const table = tableOf(flow.table);
      const entry = createEntry(flow, { now: clock.monotonic(), fault });
      const present = table.strict(entry);
      if (present !== undefined) {
        present.modified = clock.monotonic();
        if (!sameProgram(present.flow, flow)) rewriteEntry(present, { ...present.flow, cookie: flow.cookie, actions: flow.actions });
      } else {
        if (!hasRoom(flow, limit)) return;
        addEntry(entry);
      }
      flush();
    },
    hasRoom: (flow, limit) => hasRoom(flow, limit),
    removeEntry(entry, reason) {
      dropEntry(entry, reason);
      flush();
    },
    shorten: (entry) => void timed.add(entry),
    expire() {
      if (timed.size === 0) return;
      const now = clock.monotonic();
      for (const entry of [...timed]) {
        const { flow, finTimeouts } = entry;
        const idle = shorter(flow.idleTimeout, finTimeouts?.idle);
        const hard = shorter(flow.hardTimeout, finTimeouts?.hard);
        if (hard !== undefined && now >= entry.modified + hard * 1000) dropEntry(entry, "hard_timeout");
        else if (idle !== undefined && now >= entry.used + idle * 1000) dropEntry(entry, "idle_timeout");
      }
      flush();
    },
    get version() {
      return version;
    },
    listen(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
  };
}

/** A cookie that says: keep the one that is there. */
const anyCookie = (1n << 64n) - 1n;

function withoutActs(flow: Flow): Flow {
  if (flow.flags === undefined) return flow;
  const { flags, ...rest } = flow;
  const kept = flags.filter((flag) => flag !== "check_overlap" && flag !== "reset_counts");
  return kept.length === 0 ? rest : { ...rest, flags: kept };
}

const shorter = (one: number | undefined, other: number | undefined): number | undefined =>
  one && other ? Math.min(one, other) : one || other || undefined;

function sameProgram(one: Flow, other: Flow): boolean {
  const text = (flow: Flow): string =>
    JSON.stringify([flow.cookie, flow.actions], (_key, value: unknown) => (typeof value === "bigint" ? `0x${value.toString(16)}` : value));
  return text(one) === text(other);
}
