import { MacAddress } from "#lib/ip/index.ts";
import { describeChange, type SwitchChange } from "../bundle.ts";
import type { FlowFilter, FlowRemoved, OpenFlowConnection, PacketIn, PortDescription, PortStatus } from "../connection.ts";
import { ChangesRefused, OpenFlowConnectionLost, type RefusedChange } from "../errors.ts";
import type { Flow, FlowEntry } from "../flow.ts";
import { matchTerms } from "../match.ts";
import type { FlowMonitorOptions, FlowUpdate } from "../messages/monitor.ts";
import { describeEntry, type MemorySwitch, type Processed, type SwitchPort } from "./memory-switch.ts";
import { createEntry, type TableEntry } from "./table-entry.ts";
import type { Clock } from "#lib/runtime/index.ts";

/** A switch in memory behind the contract of a connection to a real one, so that what drives the one drives the other. */
export interface MemoryConnection extends OpenFlowConnection {
  /** As `dumpFlows`, all at once. Throws when the connection is closed. */
  flowsNow(filter?: FlowFilter): FlowEntry[];
  /** Hands the packets of `process` that are for controllers to the listeners; returns the same. */
  deliver(processed: Processed): Processed;
  /** Tells the listeners that a port came, went or changed. */
  announce(status: PortStatus): void;
}

export interface MemoryConnectionOptions {
  readonly clock: Clock;
  /** What packets that a controller sends lead to. */
  readonly onSent?: (processed: Processed) => void;
}

/** Those who listen. Nobody, mostly: a connection is for one purpose, and an agent has fifteen. */
class Audience<Value> {
  #listeners: Set<(value: Value) => void> | undefined;

  add(listener: (value: Value) => void): () => void {
    this.#listeners ??= new Set();
    this.#listeners.add(listener);
    return () => void this.#listeners?.delete(listener);
  }

  tell(value: Value): void {
    if (this.#listeners !== undefined) for (const listener of [...this.#listeners]) listener(value);
  }
}

export function memoryConnection(memory: MemorySwitch, options: MemoryConnectionOptions): MemoryConnection {
  const { clock, onSent } = options;
  const packetIns = new Audience<PacketIn>();
  const portListeners = new Audience<PortStatus>();
  const removedListeners = new Audience<FlowRemoved>();
  /** Hears that the connection is over. */
  const ending = new Audience<undefined>();
  let lost: ((error: Error) => void) | undefined;
  const closed = new Promise<Error>((resolve) => {
    lost = resolve;
  });
  let gone: Error | undefined;
  /** While changes of ours are made. */
  let own = false;
  let nextXid = 1;
  let watchesRemovals = false;

  const alive = async (): Promise<void> => {
    if (gone !== undefined) throw gone;
    await Promise.resolve();
    if (gone !== undefined) throw gone;
  };
  const whileOpen = (stop: () => void): (() => void) => {
    const forget = ending.add(stop);
    return () => {
      forget();
      stop();
    };
  };
  const watchRemovals = (): void => {
    if (watchesRemovals || gone !== undefined) return;
    watchesRemovals = true;
    whileOpen(
      memory.rules.listen({
        added: () => {},
        modified: () => {},
        removed(entry, reason) {
          if (entry.flow.flags?.includes("send_flow_rem")) removedListeners.tell({ flow: describeEntry(entry, clock.monotonic()), reason });
        },
      }),
    );
  };
  const apply = (changes: readonly SwitchChange[]): void => {
    own = true;
    try {
      memory.apply(changes);
    } finally {
      own = false;
      nextXid++;
    }
  };
  const applyAll = async (changes: readonly SwitchChange[]): Promise<void> => {
    await alive();
    apply(changes);
  };
  const applyEach = async (changes: readonly SwitchChange[]): Promise<void> => {
    await alive();
    const refused: RefusedChange<SwitchChange>[] = [];
    for (const change of changes) {
      try {
        apply([change]);
      } catch (error) {
        if (!(error instanceof ChangesRefused)) throw error;
        refused.push(...(error.refused as readonly RefusedChange<SwitchChange>[]));
      }
    }
    if (refused.length > 0) throw new ChangesRefused(refused, describeChange);
  };
  const deliver = (processed: Processed): Processed => {
    for (const packet of processed.packetIns) packetIns.tell(packet);
    return processed;
  };
  const entries = (filter: FlowFilter): TableEntry[] => {
    memory.rules.expire();
    const { table = anyTable } = filter;
    const used = table === anyTable ? memory.rules.usedTables() : [memory.rules.usedTable(table)];
    const { match, ...others } = filter;
    const passes = (flow: Flow): boolean => isAsked(flow, others);
    const least = match && createEntry({ table: 0, priority: 0, cookie: 0n, match, actions: [] }, { now: 0 });
    return used.flatMap((each) => (least === undefined ? each?.selected(passes) : each?.covered(least, passes)) ?? []);
  };
  return {
    features: { datapathId: 1n, tables: memory.rules.tableCount },
    async ports() {
      await alive();
      return memory.ports.map(describePort);
    },
    async *dumpFlows(filter = {}) {
      await alive();
      for (const entry of entries(filter)) yield describeEntry(entry, clock.monotonic());
    },
    flowsNow(filter = {}) {
      if (gone !== undefined) throw gone;
      const now = clock.monotonic();
      return entries(filter).map((entry) => describeEntry(entry, now));
    },
    async countFlows(filter = {}) {
      await alive();
      const found = entries(filter);
      const sum = (count: (entry: TableEntry) => number): bigint => BigInt(found.reduce((total, entry) => total + count(entry), 0));
      return { flows: found.length, packets: sum(({ packets }) => packets), bytes: sum(({ bytes }) => bytes) };
    },
    flows: (mods, { bundle = true } = {}) => (bundle ? applyAll(mods) : applyEach(mods)),
    change: (changes) => applyAll(changes),
    groups: (mods) => applyAll(mods),
    async dumpGroups() {
      await alive();
      return memory.dumpGroups();
    },
    meters: (mods) => applyEach(mods.map((meterMod) => ({ command: meterMod.command, meterMod }))),
    async dumpMeters() {
      await alive();
      return memory.dumpMeters();
    },
    async mostMeters() {
      await alive();
      return mostMeters;
    },
    async tables() {
      await alive();
      return Array.from({ length: memory.rules.tableCount }, (_, number) => {
        const table = memory.rules.usedTable(number);
        return { table: number, flows: table?.size ?? 0, lookups: table?.lookups ?? 0n, matches: table?.matches ?? 0n };
      });
    },
    barrier: alive,
    onPacketIn: (listener) => packetIns.add(listener),
    onPortStatus: (listener) => portListeners.add(listener),
    onFlowRemoved(listener) {
      watchRemovals();
      return removedListeners.add(listener);
    },
    // Changes of groups by others are not told: there is one connection's word only.
    onRequestForward: () => () => {},
    async packetOut(packet) {
      await alive();
      const processed = deliver(memory.packetOut(packet));
      onSent?.(processed);
    },
    async resume(packet) {
      await alive();
      const processed = deliver(memory.resume(packet));
      onSent?.(processed);
    },
    async monitorFlows(monitor, listener) {
      await alive();
      if (monitor.initial) for (const entry of entries({})) if (isWatched(entry, monitor)) listener({ event: "initial", flow: entry.flow });
      /** The changes of ours that the listener has heard of. */
      let heard = 0;
      const tell = (event: "added" | "modified" | "removed", entry: TableEntry): void => {
        // Of what one message or bundle of ours does one word is said, as by Open vSwitch.
        if (own && heard === nextXid) return;
        if (!isWatched(entry, monitor)) return;
        if (own) heard = nextXid;
        const update: FlowUpdate = own
          ? { event: "own", xid: nextXid }
          : { event, flow: event === "removed" ? { ...entry.flow, actions: [] } : entry.flow };
        listener(update);
      };
      const stop = whileOpen(
        memory.rules.listen({
          added: (entry) => tell("added", entry),
          modified: (entry) => tell("modified", entry),
          removed: (entry) => tell("removed", entry),
        }),
      );
      return () => {
        stop();
        return Promise.resolve();
      };
    },
    setAsync: alive,
    setControllerId: alive,
    setRole: alive,
    async flushConnections(which) {
      await alive();
      memory.flushConnections(which);
    },
    closed,
    close() {
      if (gone !== undefined) return;
      gone = new OpenFlowConnectionLost("it was closed");
      ending.tell(undefined);
      lost?.(gone);
    },
    deliver,
    announce(status) {
      portListeners.tell(status);
    },
  };
}

const filterOf = ({ match }: FlowMonitorOptions): FlowFilter => (match === undefined ? {} : { match });
const isWatched = (entry: TableEntry, monitor: FlowMonitorOptions): boolean =>
  (monitor.tables === undefined || monitor.tables.includes(entry.flow.table)) && isAsked(entry.flow, filterOf(monitor));

const anyTable = 255;
/** As Open vSwitch says of its datapath in user space. */
const mostMeters = 65_536;

function isAsked(flow: Flow, { table, cookie, cookieMask, match }: FlowFilter): boolean {
  if (table !== undefined && table !== anyTable && flow.table !== table) return false;
  if (cookie !== undefined && cookieMask !== 0n && (flow.cookie & (cookieMask ?? everyBit)) !== (cookie & (cookieMask ?? everyBit)))
    return false;
  if (match === undefined) return true;
  const own = new Map(matchTerms(flow.match).map((term) => [term.field.name, term]));
  return matchTerms(match).every(({ field, value, mask }) => {
    const term = own.get(field.name);
    return term !== undefined && (term.mask & mask) === mask && (term.value & mask) === value;
  });
}

const everyBit = (1n << 64n) - 1n;

function describePort({ number, name, mac, down }: SwitchPort): PortDescription {
  return {
    port: number,
    name: name ?? (number === "LOCAL" ? "local" : `port${number}`),
    mac: mac ?? new MacAddress(0x0200_0000_0000n + (number === "LOCAL" ? 0xfffen : BigInt(number))),
    down: down === true,
    linkDown: down === true,
  };
}
