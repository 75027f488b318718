import type { Duplex } from "node:stream";
import { OutOfBytes, Writer } from "#lib/bytes/index.ts";
import { deadline } from "#lib/runtime/deadline.ts";
import { milliseconds, type Runtime, seconds, sleep } from "#lib/runtime/index.ts";
import { applyBundles, applyEach, type BundledChange } from "./bundle.ts";
import { type Channel, openChannel } from "./channel.ts";
import { errorName } from "./error-names.ts";
import { MalformedReply, OpenFlowConnectionLost, OpenFlowError } from "./errors.ts";
import type { FlowEntry, FlowMod } from "./flow.ts";
import type { Group, GroupMod } from "./group.ts";
import { type FlushedConnections, writeFlush, writeFlushZone } from "./messages/conntrack.ts";
import {
  allTables,
  type FlowAggregate,
  type FlowFilter,
  type FlowRemoved,
  readAggregate,
  readFlowEntries,
  readFlowRemoved,
  writeFlowRequest,
} from "./messages/flow-stats.ts";
import { readGroups, writeGroupRequest } from "./messages/group-mod.ts";
import {
  emptyMessage,
  endMessage,
  type Message,
  messageType,
  multipartType,
  niciraMessage,
  readMultipart,
  readNicira,
  startMultipart,
  niciraHeaderBytes,
} from "./messages/header.ts";
import { readMeters, readMostMeters, writeMeterRequest } from "./messages/meter-mod.ts";
import { type FlowMonitorOptions, type FlowUpdate, readFlowUpdates, writeMonitor, writeMonitorEnd } from "./messages/monitor.ts";
import { type PacketIn, type PacketOut, readPacketIn, readPacketIn2, writePacketOut, writeResume } from "./messages/packet.ts";
import { type PortDescription, type PortStatus, readPortStatus, readPorts, writePortRequest } from "./messages/port.ts";
import {
  type AsyncMessages,
  offersVersion,
  type Role,
  readFeatures,
  readTables,
  type SwitchFeatures,
  type TableStats,
  writeAsync,
  writeControllerId,
  writeHello,
  writePacketInFormat,
  writeRole,
} from "./messages/session.ts";
import type { Meter, MeterMod } from "./meter.ts";

export type { BundledChange } from "./bundle.ts";
export { bundleLimit } from "./bundle.ts";
export { ChangesRefused, MalformedReply, OpenFlowConnectionLost, OpenFlowError, type RefusedChange } from "./errors.ts";
export type { FlushedConnections } from "./messages/conntrack.ts";
export type { FlowAggregate, FlowFilter, FlowRemoved } from "./messages/flow-stats.ts";
export type { FlowMonitorOptions, FlowUpdate } from "./messages/monitor.ts";
export type { PacketIn, PacketOut } from "./messages/packet.ts";
export type { PortDescription, PortStatus } from "./messages/port.ts";
export type { AsyncMessages, Role, SwitchFeatures, TableStats } from "./messages/session.ts";

export interface FlowOptions {
  /**
   * All or nothing per bundle of {@link bundleLimit}, in order, no packet sees half of one. Default true. Without, each flow-mod is made by itself:
   * those that are not refused stay.
   */
  readonly bundle?: boolean;
}

export interface ChangeOptions {
  /** Hears how many of the changes, from the first on, are in force, each time that more are. Those behind them are, too, or not: at most one bundle of them. */
  readonly onCommitted?: (count: number) => void;
}

/** A switch under control. Every call rejects with {@link OpenFlowConnectionLost} once the connection is gone. */
export interface OpenFlowConnection {
  readonly features: SwitchFeatures;
  ports(): Promise<PortDescription[]>;
  /** The switch's flows, as its answer arrives. A dump of one table at a time disturbs forwarding less than one of all. */
  dumpFlows(filter?: FlowFilter): AsyncIterable<FlowEntry>;
  /** How many flows there are and what they counted together. */
  countFlows(filter?: FlowFilter): Promise<FlowAggregate>;
  /** Makes the changes in order; resolves when they are in force. Rejects with {@link ChangesRefused}. */
  flows(mods: readonly FlowMod[], options?: FlowOptions): Promise<void>;
  /** The same for flows and groups together, in bundles. */
  change(changes: readonly BundledChange[], options?: ChangeOptions): Promise<void>;
  groups(mods: readonly GroupMod[]): Promise<void>;
  dumpGroups(): Promise<Group[]>;
  /** Meters cannot be bundled: those that are not refused stay. */
  meters(mods: readonly MeterMod[]): Promise<void>;
  dumpMeters(): Promise<Meter[]>;
  /** The highest number that a meter may have; 0 where the datapath has no meters. */
  mostMeters(): Promise<number>;
  tables(): Promise<TableStats[]>;
  /** Resolves once the switch has dealt with everything sent before. */
  barrier(): Promise<void>;
  /** Hears of packets sent to the controller. Returns the way to stop. */
  onPacketIn(listener: (packet: PacketIn) => void): () => void;
  onPortStatus(listener: (status: PortStatus) => void): () => void;
  onFlowRemoved(listener: (removed: FlowRemoved) => void): () => void;
  /** Hears that another controller changed groups or meters; to be asked for by {@link setAsync}. */
  onRequestForward(listener: () => void): () => void;
  /** Sends a packet at once; resolves, some {@link packetsTogether} later, when the switch has taken it. */
  packetOut(packet: PacketOut): Promise<void>;
  /** Lets a packet with a continuation go on, changed as given. */
  resume(packet: PacketIn & { readonly continuation: Uint8Array }): Promise<void>;
  /**
   * Hears of every change of flows, own ones by their number only; with `initial`, first of what is there. Resolves once it is in force, with the
   * way to stop. Updates do not say which monitor they belong to: a connection has one at a time.
   */
  monitorFlows(options: FlowMonitorOptions, listener: (update: FlowUpdate) => void): Promise<() => Promise<void>>;
  /** Which messages come unasked. At the start packet-ins and port status do. */
  setAsync(wanted: AsyncMessages): Promise<void>;
  /** The id that `controller(id=…)` addresses, 0 … 65535; at the start 0. */
  setControllerId(id: number): Promise<void>;
  setRole(role: Role, generation?: bigint): Promise<void>;
  /** Makes the connection tracker forget connections. */
  flushConnections(which: FlushedConnections): Promise<void>;
  readonly closed: Promise<Error>;
  close(): void;
}

/** Packets that were sent within so long are asked after together: nothing waits for the word that they were taken. */
const packetsTogether = milliseconds(20);

/** How long the switch may take for each answer of the handshake. */
const handshakeTimeout = seconds(10);

/**
 * Connects to a bridge, by its management socket or an open stream. OpenFlow 1.5 only.
 * Rejects with {@link OpenFlowConnectionLost} when the bridge is not there or does not speak it, or with the signal's reason.
 */
export async function connectOpenFlow(
  options: { readonly runtime: Runtime; readonly signal?: AbortSignal } & ({ readonly path: string } | { readonly socket: Duplex }),
): Promise<OpenFlowConnection> {
  const { runtime, signal } = options;
  signal?.throwIfAborted();
  const listeners: Listeners = {
    packetIn: new Set(),
    portStatus: new Set(),
    flowRemoved: new Set(),
    flowUpdate: new Set(),
    requestForward: new Set(),
  };
  let greeted: (hello: Message) => void = () => {};
  const hello = new Promise<Message>((resolve) => {
    greeted = resolve;
  });
  const channel = openChannel({
    runtime,
    target: options,
    onUnasked: (message) => (message.type === messageType.hello ? greeted(message) : dispatch(message, listeners)),
  });
  /** Counted step by step, as an answer that the system holds ready is not late because this process had no processor for a while. */
  const inTime = async <T>(answer: Promise<T>): Promise<T> => {
    const limit = deadline(handshakeTimeout, () => channel.close(), runtime.clock);
    try {
      return await answer;
    } finally {
      limit.cancel();
    }
  };
  const abort = (): void => channel.close();
  signal?.addEventListener("abort", abort, { once: true });
  try {
    const writer = new Writer();
    writeHello(writer, channel.reserve());
    channel.send(writer.result());
    await inTime(channel.opened);
    const first = await inTime(Promise.race([hello, channel.closed]));
    if (first instanceof Error) throw first;
    if (!offersVersion(first))
      throw new OpenFlowConnectionLost("the bridge does not offer OpenFlow 1.5; add OpenFlow15 to its column protocols");
    const features = readFeatures(
      (await inTime(channel.request("the features", (request, xid) => emptyMessage(request, messageType.featuresRequest, xid)))).body,
    );
    const connection = connectionOver(runtime, channel, features, listeners);
    await inTime(connection.setAsync({ packetIns: true, portStatus: true, flowRemoved: false }));
    return connection;
  } catch (error) {
    channel.close();
    signal?.throwIfAborted();
    if (error instanceof OutOfBytes) throw new OpenFlowConnectionLost("its greeting is cut short", { cause: error });
    throw error;
  } finally {
    signal?.removeEventListener("abort", abort);
  }
}

interface Listeners {
  readonly packetIn: Set<(packet: PacketIn) => void>;
  readonly portStatus: Set<(status: PortStatus) => void>;
  readonly flowRemoved: Set<(removed: FlowRemoved) => void>;
  readonly flowUpdate: Set<(update: FlowUpdate) => void>;
  readonly requestForward: Set<() => void>;
}

function dispatch(message: Message, listeners: Listeners): void {
  const tell = <T>(audience: ReadonlySet<(value: T) => void>, value: T | undefined): void => {
    if (value !== undefined) for (const listener of [...audience]) listener(value);
  };
  if (message.type === messageType.packetIn) tell(listeners.packetIn, readPacketIn(message.body));
  else if (message.type === messageType.portStatus) tell(listeners.portStatus, readPortStatus(message.body));
  else if (message.type === messageType.flowRemoved) tell(listeners.flowRemoved, readFlowRemoved(message.body));
  else if (message.type === messageType.requestForward) for (const listener of [...listeners.requestForward]) listener();
  else if (message.type === messageType.experimenter) {
    const nicira = readNicira(message.body);
    if (nicira?.subtype === niciraMessage.packetIn2) tell(listeners.packetIn, readPacketIn2(nicira.rest));
  } else if (message.type === messageType.multipartReply) {
    const { type, entries } = readMultipart(message.body);
    if (type === multipartType.flowMonitor) for (const update of readFlowUpdates(entries)) tell(listeners.flowUpdate, update);
  }
}

function connectionOver(
  runtime: Pick<Runtime, "clock">,
  channel: Channel,
  features: SwitchFeatures,
  listeners: Listeners,
): OpenFlowConnection {
  let nextMonitor = 1;
  const listen = <T>(audience: Set<(value: T) => void>, listener: (value: T) => void): (() => void) => {
    audience.add(listener);
    return () => void audience.delete(listener);
  };
  async function* entries<T>(
    what: string,
    write: (writer: Writer, xid: number) => void,
    read: (bytes: Uint8Array) => T[],
  ): AsyncGenerator<T> {
    for await (const part of channel.parts(what, write)) {
      try {
        yield* read(part);
      } catch (error) {
        throw error instanceof OutOfBytes ? new MalformedReply(what, { cause: error }) : error;
      }
    }
  }
  /** One barrier stands behind all commands of one turn: a burst of packets costs the switch one answer. */
  let sharedBarrier: Promise<void> | undefined;
  const barrierOfTurn = (): Promise<void> => {
    sharedBarrier ??= Promise.resolve().then(() => {
      sharedBarrier = undefined;
      return channel.barrier();
    });
    return sharedBarrier;
  };
  /** Packets come one by one, thousands a second: a barrier behind each would be as much work again, here and in the switch. */
  let packetBarrier: Promise<void> | undefined;
  const barrierOfPackets = (): Promise<void> => {
    packetBarrier ??= sleep(runtime.clock, packetsTogether).then(() => {
      packetBarrier = undefined;
      return channel.barrier();
    });
    return packetBarrier;
  };
  /** Sends messages that have no answer of their own; an error about one of them rejects. */
  const command = async (
    what: string,
    count: number,
    write: (writer: Writer, xid: number) => void,
    { behind = barrierOfTurn, capacity }: { readonly behind?: () => Promise<void>; readonly capacity?: number | undefined } = {},
  ): Promise<void> => {
    let refusal: Error | undefined;
    const first = channel.reserve(count);
    const writer = new Writer(capacity);
    write(writer, first);
    const stopWatching = channel.watchErrors(first, count, (_xid, error) => {
      refusal ??= new OpenFlowError(errorName(error), what);
    });
    channel.send(writer.result());
    try {
      await behind();
    } finally {
      stopWatching();
    }
    if (refusal !== undefined) throw refusal;
  };

  return {
    features,
    ports: () => Array.fromAsync(entries("its ports", writePortRequest, readPorts)),
    dumpFlows: (filter = {}) => entries("its flows", (writer, xid) => writeFlowRequest(writer, "flowDesc", filter, xid), readFlowEntries),
    async countFlows(filter = {}) {
      const write = (writer: Writer, xid: number): void => writeFlowRequest(writer, "aggregate", filter, xid);
      const [sum] = await Array.fromAsync(entries("the sum of its flows", write, (part) => [readAggregate(part)]));
      return sum ?? { flows: 0, packets: 0n, bytes: 0n };
    },
    flows: (mods, { bundle = true } = {}) => (bundle ? applyBundles(channel, mods) : applyEach(channel, mods)),
    change: (changes, options) => applyBundles(channel, changes, options),
    groups: (mods) => applyBundles(channel, mods),
    dumpGroups: () => Array.fromAsync(entries("its groups", (writer, xid) => writeGroupRequest(writer, "all", xid), readGroups)),
    meters: (mods) =>
      applyEach(
        channel,
        mods.map((meterMod) => ({ command: meterMod.command, meterMod })),
      ),
    dumpMeters: () => Array.fromAsync(entries("its meters", writeMeterRequest, readMeters)),
    async mostMeters() {
      const write = (writer: Writer, xid: number): void => endMessage(writer, startMultipart(writer, multipartType.meterFeatures, xid));
      const [most] = await Array.fromAsync(entries("what meters it has", write, (part) => [readMostMeters(part)]));
      return most ?? 0;
    },
    tables: () =>
      Array.fromAsync(
        entries("its tables", (writer, xid) => endMessage(writer, startMultipart(writer, multipartType.table, xid)), readTables),
      ),
    barrier: () => channel.barrier(),
    onPacketIn: (listener) => listen(listeners.packetIn, listener),
    onPortStatus: (listener) => listen(listeners.portStatus, listener),
    onFlowRemoved: (listener) => listen(listeners.flowRemoved, listener),
    onRequestForward: (listener) => listen(listeners.requestForward, listener),
    packetOut: (packet) => command("a packet", 1, (writer, xid) => writePacketOut(writer, packet, xid), { behind: barrierOfPackets }),
    resume: (packet) => {
      const capacity = packet.received === undefined ? undefined : niciraHeaderBytes + packet.received.properties.length;
      return command("to resume a packet", 1, (writer, xid) => writeResume(writer, packet, xid), { behind: barrierOfPackets, capacity });
    },
    async monitorFlows(options, listener) {
      const stopListening = listen(listeners.flowUpdate, listener);
      const monitors = (options.tables ?? [allTables]).map((table) => ({ id: nextMonitor++, table }));
      try {
        for (const monitor of monitors) {
          const present = entries("a flow monitor", (writer, xid) => writeMonitor(writer, monitor, options, xid), readFlowUpdates);
          for await (const update of present) listener(update);
        }
      } catch (error) {
        stopListening();
        throw error;
      }
      return async () => {
        stopListening();
        await command("the end of a flow monitor", 1, (writer, xid) => {
          for (const { id } of monitors) writeMonitorEnd(writer, id, xid);
        });
      };
    },
    setAsync: (wanted) =>
      command("which messages to send unasked", 1, (writer, xid) => {
        writePacketInFormat(writer, xid);
        writeAsync(writer, wanted, xid);
      }),
    setControllerId: (id) => command("a controller id", 1, (writer, xid) => writeControllerId(writer, id, xid)),
    async setRole(role, generation = 0n) {
      await channel.request(`the role ${role}`, (writer, xid) => writeRole(writer, role, generation, xid));
    },
    flushConnections: (which) =>
      command("to forget connections", 1, (writer, xid) =>
        which.zone !== undefined && Object.keys(which).length === 1
          ? writeFlushZone(writer, which.zone, xid)
          : writeFlush(writer, which, xid),
      ),
    closed: channel.closed,
    close: () => channel.close(),
  };
}
