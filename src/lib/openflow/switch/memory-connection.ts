import { MacAddress } from "#lib/ip/index.ts";
import { type BundledChange, describeChange, type SwitchChange } from "../bundle.ts";
import type {
  FlowAggregate,
  FlowFilter,
  FlowOptions,
  FlowRemoved,
  OpenFlowConnection,
  PacketIn,
  PacketOut,
  PortDescription,
  PortStatus,
  SwitchFeatures,
  TableStats,
} from "../connection.ts";
import { ChangesRefused, OpenFlowConnectionLost, type RefusedChange } from "../errors.ts";
import type { Flow, FlowEntry, FlowMod } from "../flow.ts";
import type { Group, GroupMod } from "../group.ts";
import { matchTerms } from "../match.ts";
import type { FlushedConnections } from "../messages/conntrack.ts";
import type { FlowMonitorOptions, FlowUpdate } from "../messages/monitor.ts";
import type { Meter, MeterMod } from "../meter.ts";
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

export const memoryConnection = (memory: MemorySwitch, options: MemoryConnectionOptions): MemoryConnection =>
  new SwitchConnection(memory, options);

/** A class, as a cluster in memory has many thousands of them: a function of its own for each call would be 2 kB more. */
class SwitchConnection implements MemoryConnection {
  readonly features: SwitchFeatures;
  readonly closed: Promise<Error>;
  readonly #memory: MemorySwitch;
  readonly #clock: Clock;
  readonly #onSent: MemoryConnectionOptions["onSent"];
  readonly #packetIns = new Audience<PacketIn>();
  readonly #portListeners = new Audience<PortStatus>();
  readonly #removedListeners = new Audience<FlowRemoved>();
  /** Hears that the connection is over. */
  readonly #ending = new Audience<undefined>();
  #watchesRemovals = false;
  #lost: ((error: Error) => void) | undefined;
  #gone: Error | undefined;
  /** While changes of ours are made. */
  #own = false;
  #nextXid = 1;

  constructor(memory: MemorySwitch, { clock, onSent }: MemoryConnectionOptions) {
    this.#memory = memory;
    this.#clock = clock;
    this.#onSent = onSent;
    this.features = { datapathId: 1n, tables: memory.rules.tableCount };
    this.closed = new Promise<Error>((resolve) => {
      this.#lost = resolve;
    });
  }

  async ports(): Promise<PortDescription[]> {
    await this.#alive();
    return this.#memory.ports.map(describePort);
  }

  async *dumpFlows(filter: FlowFilter = {}): AsyncGenerator<FlowEntry> {
    await this.#alive();
    for (const entry of this.#entries(filter)) yield describeEntry(entry, this.#clock.monotonic());
  }

  flowsNow(filter: FlowFilter = {}): FlowEntry[] {
    if (this.#gone !== undefined) throw this.#gone;
    const now = this.#clock.monotonic();
    return this.#entries(filter).map((entry) => describeEntry(entry, now));
  }

  async countFlows(filter: FlowFilter = {}): Promise<FlowAggregate> {
    await this.#alive();
    const found = this.#entries(filter);
    const sum = (count: (entry: TableEntry) => number): bigint => BigInt(found.reduce((total, entry) => total + count(entry), 0));
    return { flows: found.length, packets: sum(({ packets }) => packets), bytes: sum(({ bytes }) => bytes) };
  }

  flows(mods: readonly FlowMod[], { bundle = true }: FlowOptions = {}): Promise<void> {
    return bundle ? this.#applyAll(mods) : this.#applyEach(mods);
  }

  change(changes: readonly BundledChange[]): Promise<void> {
    return this.#applyAll(changes);
  }

  groups(mods: readonly GroupMod[]): Promise<void> {
    return this.#applyAll(mods);
  }

  async dumpGroups(): Promise<Group[]> {
    await this.#alive();
    return this.#memory.dumpGroups();
  }

  meters(mods: readonly MeterMod[]): Promise<void> {
    return this.#applyEach(mods.map((meterMod) => ({ command: meterMod.command, meterMod })));
  }

  async dumpMeters(): Promise<Meter[]> {
    await this.#alive();
    return this.#memory.dumpMeters();
  }

  async mostMeters(): Promise<number> {
    await this.#alive();
    return mostMeters;
  }

  async tables(): Promise<TableStats[]> {
    await this.#alive();
    const { rules } = this.#memory;
    return Array.from({ length: rules.tableCount }, (_, number) => {
      const table = rules.usedTable(number);
      return table === undefined
        ? (unusedTables[number] as TableStats)
        : { table: number, flows: table.size, lookups: table.lookups, matches: table.matches };
    });
  }

  barrier(): Promise<void> {
    return this.#alive();
  }

  onPacketIn(listener: (packet: PacketIn) => void): () => void {
    return this.#packetIns.add(listener);
  }

  onPortStatus(listener: (status: PortStatus) => void): () => void {
    return this.#portListeners.add(listener);
  }

  onFlowRemoved(listener: (removed: FlowRemoved) => void): () => void {
    this.#watchRemovals();
    return this.#removedListeners.add(listener);
  }

  /** Changes of groups by others are not told: there is one connection's word only. */
  onRequestForward(): () => void {
    return () => {};
  }

  async packetOut(packet: PacketOut): Promise<void> {
    await this.#alive();
    const processed = this.deliver(this.#memory.packetOut(packet));
    this.#onSent?.(processed);
  }

  async resume(packet: PacketIn & { readonly continuation: Uint8Array }): Promise<void> {
    await this.#alive();
    const processed = this.deliver(this.#memory.resume(packet));
    this.#onSent?.(processed);
  }

  async monitorFlows(monitor: FlowMonitorOptions, listener: (update: FlowUpdate) => void): Promise<() => Promise<void>> {
    await this.#alive();
    if (monitor.initial)
      for (const entry of this.#entries({})) if (isWatched(entry, monitor)) listener({ event: "initial", flow: entry.flow });
    /** The changes of ours that the listener has heard of. */
    let heard = 0;
    const tell = (event: "added" | "modified" | "removed", entry: TableEntry): void => {
      // Of what one message or bundle of ours does one word is said, as by Open vSwitch.
      if (this.#own && heard === this.#nextXid) return;
      if (!isWatched(entry, monitor)) return;
      if (this.#own) heard = this.#nextXid;
      const update: FlowUpdate = this.#own
        ? { event: "own", xid: this.#nextXid }
        : { event, flow: event === "removed" ? { ...entry.flow, actions: [] } : entry.flow };
      listener(update);
    };
    const stop = this.#whileOpen(
      this.#memory.rules.listen({
        added: (entry) => tell("added", entry),
        modified: (entry) => tell("modified", entry),
        removed: (entry) => tell("removed", entry),
      }),
    );
    return () => {
      stop();
      return Promise.resolve();
    };
  }

  setAsync(): Promise<void> {
    return this.#alive();
  }

  setControllerId(): Promise<void> {
    return this.#alive();
  }

  setRole(): Promise<void> {
    return this.#alive();
  }

  async flushConnections(which: FlushedConnections): Promise<void> {
    await this.#alive();
    this.#memory.flushConnections(which);
  }

  close(): void {
    if (this.#gone !== undefined) return;
    this.#gone = new OpenFlowConnectionLost("it was closed");
    this.#ending.tell(undefined);
    this.#lost?.(this.#gone);
  }

  deliver(processed: Processed): Processed {
    for (const packet of processed.packetIns) this.#packetIns.tell(packet);
    return processed;
  }

  announce(status: PortStatus): void {
    this.#portListeners.tell(status);
  }

  async #alive(): Promise<void> {
    if (this.#gone !== undefined) throw this.#gone;
    await Promise.resolve();
    if (this.#gone !== undefined) throw this.#gone;
  }

  #apply(changes: readonly SwitchChange[]): void {
    this.#own = true;
    try {
      this.#memory.apply(changes);
    } finally {
      this.#own = false;
      this.#nextXid++;
    }
  }

  async #applyAll(changes: readonly SwitchChange[]): Promise<void> {
    await this.#alive();
    this.#apply(changes);
  }

  async #applyEach(changes: readonly SwitchChange[]): Promise<void> {
    await this.#alive();
    const refused: RefusedChange<SwitchChange>[] = [];
    for (const change of changes) {
      try {
        this.#apply([change]);
      } catch (error) {
        if (!(error instanceof ChangesRefused)) throw error;
        refused.push(...(error.refused as readonly RefusedChange<SwitchChange>[]));
      }
    }
    if (refused.length > 0) throw new ChangesRefused(refused, describeChange);
  }

  #entries(filter: FlowFilter): TableEntry[] {
    const { rules } = this.#memory;
    rules.expire();
    const { table = anyTable } = filter;
    const used = table === anyTable ? rules.usedTables() : [rules.usedTable(table)];
    const { match } = filter;
    const passes = hasAskedCookie(filter);
    const least = match && createEntry({ table: 0, priority: 0, cookie: 0n, match, actions: [] }, { now: 0 });
    return used.flatMap((each) => (least === undefined ? each?.selected(passes) : each?.covered(least, passes)) ?? []);
  }

  #whileOpen(stop: () => void): () => void {
    const forget = this.#ending.add(stop);
    return () => {
      forget();
      stop();
    };
  }

  #watchRemovals(): void {
    if (this.#watchesRemovals || this.#gone !== undefined) return;
    this.#watchesRemovals = true;
    this.#whileOpen(
      this.#memory.rules.listen({
        added: () => {},
        modified: () => {},
        removed: (entry, reason) => {
          if (!entry.flow.flags?.includes("send_flow_rem")) return;
          this.#removedListeners.tell({ flow: describeEntry(entry, this.#clock.monotonic()), reason });
        },
      }),
    );
  }
}

/** What is said of them is the same in all switches. */
const unusedTables: readonly TableStats[] = Array.from({ length: 255 }, (_, table) =>
  Object.freeze({ table, flows: 0, lookups: 0n, matches: 0n }),
);

const isWatched = (entry: TableEntry, monitor: FlowMonitorOptions): boolean =>
  (monitor.tables === undefined || monitor.tables.includes(entry.flow.table)) && isAsked(entry.flow, monitor);

const anyTable = 255;
/** As Open vSwitch says of its datapath in user space. */
const mostMeters = 65_536;

/** Asked of each flow of a table: there may be many. */
function hasAskedCookie({ cookie, cookieMask = everyBit }: FlowFilter): (flow: Flow) => boolean {
  if (cookie === undefined || cookieMask === 0n) return () => true;
  if (cookieMask === everyBit) return (flow) => flow.cookie === cookie;
  const wanted = cookie & cookieMask;
  return (flow) => (flow.cookie & cookieMask) === wanted;
}

function isAsked(flow: Flow, { match }: FlowMonitorOptions): boolean {
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
