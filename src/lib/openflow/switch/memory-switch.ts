import type { Clock, Random } from "#lib/runtime/index.ts";
import type { MacAddress } from "#lib/ip/index.ts";
import type { SwitchChange } from "../bundle.ts";
import type { FlowEntry } from "../flow.ts";
import type { Group } from "../group.ts";
import type { FlushedConnections } from "../messages/conntrack.ts";
import type { PacketIn, PacketOut } from "../messages/packet.ts";
import type { Meter } from "../meter.ts";
import type { PortNumber } from "../port.ts";
import type { TableNames } from "../actions/index.ts";
import type { ChooseNat } from "./conntrack/translation.ts";
import type { TrackedConnection } from "./conntrack/tracker.ts";
import { createDatapath } from "./datapath.ts";
import type { Fault } from "./faults.ts";
import type { Tunnel } from "./packet.ts";
import { createRules, type Rules } from "./tables.ts";
import type { TableEntry } from "./table-entry.ts";
import type { CompiledBucket, CompiledGroup } from "./group-buckets.ts";

/** A port of a switch in memory. */
export interface SwitchPort {
  /** 1 … 0xfeff, or LOCAL. */
  readonly number: number | "LOCAL";
  /** Default `port7`. */
  readonly name?: string;
  readonly mac?: MacAddress;
  /** A flow-based tunnel: packets leave with what the flow's tunnel fields say. */
  readonly tunnel?: true;
  /** Buckets that watch the port are dead. */
  readonly down?: true;
}

/** A packet that arrives. */
export interface ReceivedPacket {
  readonly inPort: PortNumber;
  readonly frame: Uint8Array;
  readonly tunnel?: Tunnel;
  /** `pkt_mark`. Default 0. */
  readonly mark?: number;
}

/** A packet that leaves. */
export interface SentPacket {
  readonly port: number;
  readonly frame: Uint8Array;
  readonly tunnel?: Tunnel;
}

export interface Processed {
  readonly outputs: readonly SentPacket[];
  /** What controllers get to see of it. */
  readonly packetIns: readonly PacketIn[];
  /** The way it went, in the words of `ofproto/trace`; empty unless asked for. */
  readonly trace: string;
}

export interface ProcessOptions {
  readonly trace?: boolean;
}

export interface MemorySwitchOptions {
  readonly clock: Clock;
  /** Chooses addresses and ports of translations, and nothing else. */
  readonly random: Random;
  readonly ports: readonly SwitchPort[];
  /** How many tables there are, 1 … 254. Default 254, as Open vSwitch. */
  readonly tables?: number;
  /** Remember the ways of packets. Default true. */
  readonly cache?: boolean;
  /** Names of tables in traces. */
  readonly names?: TableNames;
  /** Makes the choices that a switch is free to make; for comparing switches. */
  readonly choose?: {
    /** The bucket of a select group that takes a packet. `hash` is the same for all packets of a connection's direction. */
    bucket?(group: CompiledGroup, live: readonly CompiledBucket[], hash: number): CompiledBucket | undefined;
    nat?: ChooseNat;
  };
  /** Builds a fault in, for tests of tests. */
  readonly fault?: Fault;
}

/** An OpenFlow switch that exists in memory only: it executes flows on packets, pure and deterministic. */
export interface MemorySwitch {
  /** Makes flow, group and meter changes in order, all or none. Throws `ChangesRefused` with OpenFlow's name for why. */
  apply(changes: readonly SwitchChange[]): void;
  process(packet: ReceivedPacket, options?: ProcessOptions): Processed;
  /** Executes the actions of a controller's packet. */
  packetOut(packet: PacketOut, options?: ProcessOptions): Processed;
  /** Lets a packet with a continuation go on. Nothing happens when the switch does not know it any more. */
  resume(packet: PacketIn & { readonly continuation: Uint8Array }, options?: ProcessOptions): Processed;
  dumpFlows(): FlowEntry[];
  dumpGroups(): Group[];
  dumpMeters(): Meter[];
  dumpConnections(): TrackedConnection[];
  flushConnections(which: FlushedConnections): void;
  readonly ports: readonly SwitchPort[];
  setPorts(ports: readonly SwitchPort[]): void;
  /** The tables inside, for listeners and counts. */
  readonly rules: Rules;
}

export function createMemorySwitch(options: MemorySwitchOptions): MemorySwitch {
  const { clock, tables = 254, fault } = options;
  const rules = createRules({ clock, tables, fault });
  const datapath = createDatapath({ ...options, rules });
  return {
    apply: (changes) => rules.apply(changes),
    process: (packet, how) => datapath.process(packet, how),
    packetOut: (packet, how) => datapath.packetOut(packet, how),
    resume: (packet, how) => datapath.resume(packet, how),
    dumpFlows() {
      rules.expire();
      return [...rules.entries()].map((entry) => describeEntry(entry, clock.monotonic()));
    },
    dumpGroups: () => rules.groups(),
    dumpMeters: () => rules.meters.dump(),
    dumpConnections: () => datapath.tracker.dump(),
    flushConnections: (which) => datapath.tracker.flush(which),
    get ports() {
      return datapath.ports;
    },
    setPorts: (ports) => datapath.setPorts(ports),
    rules,
  };
}

/** An entry as a flow dump reports it. */
export function describeEntry(entry: TableEntry, now: number): FlowEntry {
  return {
    ...entry.flow,
    stats: {
      packets: BigInt(entry.packets),
      bytes: BigInt(entry.bytes),
      duration: (now - entry.created) / 1000,
      idle: Math.floor((now - entry.used) / 1000),
    },
  };
}
