import { reservedPorts, portToWire } from "../port.ts";
import type { PacketIn, PacketOut } from "../messages/packet.ts";
import { createCache } from "./cache.ts";
import { type ConnectionTracker, createTracker } from "./conntrack/tracker.ts";
import { type Key, newKey, wordOf, wordValues } from "./layout.ts";
import { createMacTable } from "./mac-table.ts";
import type { MemorySwitchOptions, ProcessOptions, Processed, ReceivedPacket, SentPacket, SwitchPort } from "./memory-switch.ts";
import type { Operation, PacketInOperation, Translation } from "./operation.ts";
import { Packet, receivedPacket } from "./packet.ts";
import { compileActions, type Program } from "./program.ts";
import { createRecirculations, type FrozenState, restoreMetadata } from "./recirculation.ts";
import { insertTag, removeTag, setFields } from "./rewrite.ts";
import type { Rules } from "./tables.ts";
import { createTrace, matchOfKey, type TraceWriter } from "./trace.ts";
import { Translator, type TranslatorContext } from "./translator.ts";
import { newScratch } from "./walked-key.ts";
import { matchTerms } from "../match.ts";
import { termWords } from "./layout.ts";
import type { Match } from "../flow.ts";

/** Recirculations of one packet, as the userspace datapath has it. */
const maxRecirculations = 6;
/** Frozen states kept before all are made anew. */
const mostFrozen = 20_000;
/** Packets that wait for a controller; the oldest is forgotten. */
const mostContinuations = 1_024;

/** Moves packets: looks their way up or works it out, and does what it says. */
export interface Datapath {
  readonly ports: readonly SwitchPort[];
  setPorts(ports: readonly SwitchPort[]): void;
  readonly tracker: ConnectionTracker;
  process(packet: ReceivedPacket, options?: ProcessOptions): Processed;
  packetOut(packet: PacketOut, options?: ProcessOptions): Processed;
  resume(packet: PacketIn & { readonly continuation: Uint8Array }, options?: ProcessOptions): Processed;
}

/** What one packet leaves behind. */
interface Results {
  readonly outputs: SentPacket[];
  readonly packetIns: PacketIn[];
  readonly trace: TraceWriter | undefined;
}

interface Continuation {
  readonly frozen: FrozenState;
  readonly packet: Packet;
}

export function createDatapath(options: MemorySwitchOptions & { readonly rules: Rules }): Datapath {
  const { clock, random, rules, fault, choose, names } = options;
  const cache = createCache(fault);
  const cached = options.cache !== false;
  const recirculations = createRecirculations();
  const tracker = createTracker({ clock, random, choose: choose?.nat, fault });
  const continuations = new Map<bigint, Continuation>();
  let nextContinuation = 1n;
  let version = rules.version;
  let ports: readonly SwitchPort[] = [];
  let byNumber = new Map<number, { readonly number: number; readonly isTunnel: boolean; readonly live: boolean }>();
  let numbers: readonly number[] = [];
  const scratch = newScratch();
  /** The key of the packet before, when nobody holds it. */
  let spare: Key | undefined;
  const forget = (): void => cache.clear();
  const setPorts = (given: readonly SwitchPort[]): void => {
    ports = given;
    byNumber = new Map(
      given.map((port) => {
        const number = portToWire(port.number);
        return [number, { number, isTunnel: port.tunnel === true, live: port.down !== true }];
      }),
    );
    numbers = [...byNumber.keys()];
    forget();
  };
  setPorts(options.ports);
  const context: TranslatorContext = {
    rules,
    macs: createMacTable({ clock, changed: forget }),
    port: (number) => byNumber.get(number),
    portNumbers: () => numbers,
    freeze: (state) => recirculations.freeze(state),
    chooseBucket: (group, live, hash) => (choose?.bucket === undefined ? weighted(live, hash) : choose.bucket(group, live, hash)),
    fault,
  };

  const begin = (): void => {
    rules.expire();
    if (rules.version !== version || recirculations.size > mostFrozen) {
      version = rules.version;
      forget();
      recirculations.clear();
    }
  };
  const translate = (packet: Packet, key: Key, recirculation: number, results: Results): Translation => {
    const frozen = recirculation === 0 ? undefined : recirculations.thaw(recirculation);
    if (recirculation !== 0 && frozen === undefined) return nothing(key);
    const before = rules.version;
    const walked = scratch.key;
    walked.set(key);
    if (frozen !== undefined) restoreMetadata(frozen.metadata, walked);
    const { trace } = results;
    trace?.begin(recirculation === 0 ? 'bridge("memory")' : `recirc(0x${recirculation.toString(16)}) - resume conntrack`, walked);
    const translation = new Translator({
      context,
      key: walked,
      scratch,
      packetBytes: packet.bytes.length,
      frozen,
      tracked: false,
      trace,
    }).run();
    trace?.end(walked, translation.operations);
    if (cached && translation.repeatable && rules.version === before) cache.add(recirculation, key, translation);
    return translation;
  };
  const run = (packet: Packet, recirculation: number, depth: number, results: Results): void => {
    if (depth > maxRecirculations) return;
    const key = packet.refreshConnection();
    const known = cached && results.trace === undefined ? cache.find(recirculation, key) : undefined;
    const translation = known ?? translate(packet, key, recirculation, results);
    count(translation, packet.bytes.length);
    execute(translation.operations, [packet], recirculation, depth, results);
  };
  const count = ({ hits, effects }: Translation, bytes: number): void => {
    const now = clock.monotonic();
    for (const entry of hits) entry.count(bytes, now);
    for (const effect of effects) effect();
  };

  /** Operations are done one after the other on all packets, as fragments that were held join the packet that completed them. */
  const execute = (
    operations: readonly Operation[],
    packets: readonly Packet[],
    recirculation: number,
    depth: number,
    results: Results,
  ): void => {
    let going = packets;
    for (let index = 0; index < operations.length && going.length > 0; index++) {
      const operation = operations[index] as Operation;
      const last = index === operations.length - 1;
      switch (operation.type) {
        case "set":
          for (const packet of going) setFields(packet, operation.values);
          break;
        case "output":
          for (const packet of going) output(packet, operation, results);
          break;
        case "ct":
          going = going.flatMap((packet) => [...tracker.track(packet, { ...operation, pass: recirculation })]);
          break;
        case "ct_clear":
          for (const packet of going) packet.clearConnection();
          break;
        case "recirc":
          for (const packet of going) run(last ? packet : packet.clone(), operation.id, depth + 1, results);
          break;
        case "clone":
          execute(operation.operations, last ? going : going.map((packet) => packet.clone()), recirculation, depth, results);
          break;
        case "meter":
          going = going.filter((packet) => rules.meters.admit(operation.meter, packet.bytes.length));
          break;
        case "push_vlan":
          for (const packet of going) {
            packet.fresh();
            insertTag(packet, operation.etherType, 0);
            packet.stale = true;
          }
          break;
        case "pop_vlan":
          for (const packet of going) {
            if (((packet.fresh()[vlanWord] ?? 0) & 0x1000) !== 0) removeTag(packet);
            packet.stale = true;
          }
          break;
        case "packet_in":
          for (const packet of going) results.packetIns.push(packetIn(packet, operation));
          break;
      }
    }
  };
  const output = (packet: Packet, { port, tunnel, maxLength }: Extract<Operation, { type: "output" }>, results: Results): void => {
    packet.shared = true;
    const frame = maxLength !== undefined && maxLength < packet.bytes.length ? packet.bytes.slice(0, maxLength) : packet.bytes;
    results.outputs.push(tunnel === undefined ? { port, frame } : { port, frame, tunnel });
  };
  const packetIn = (packet: Packet, operation: PacketInOperation): PacketIn => {
    packet.shared = true;
    const { maxLength, userdata, resumeAt } = operation;
    return {
      packet: packet.bytes.slice(0, maxLength === 0 ? 0 : maxLength),
      fullLength: packet.bytes.length,
      table: operation.table,
      cookie: operation.cookie,
      reason: operation.reason,
      metadata: metadataOf(operation.key),
      ...(userdata === undefined ? {} : { userdata }),
      ...(resumeAt === undefined ? {} : { continuation: wait(packet, resumeAt) }),
    };
  };
  const wait = (packet: Packet, resumeAt: number): Uint8Array => {
    const frozen = recirculations.thaw(resumeAt);
    const id = nextContinuation++;
    const [oldest] = continuations.keys();
    if (continuations.size >= mostContinuations && oldest !== undefined) continuations.delete(oldest);
    if (frozen !== undefined) continuations.set(id, { frozen, packet: packet.clone() });
    const bytes = new Uint8Array(8);
    new DataView(bytes.buffer).setBigUint64(0, id);
    return bytes;
  };
  const collect = (how: ProcessOptions | undefined, work: (results: Results) => void): Processed => {
    begin();
    const results: Results = { outputs: [], packetIns: [], trace: how?.trace ? createTrace(names) : undefined };
    work(results);
    return { outputs: results.outputs, packetIns: results.packetIns, trace: results.trace?.text() ?? "" };
  };
  /** Performs actions on a packet outside of any table. */
  const perform = (packet: Packet, program: Program, title: string, results: Results): void => {
    const key = packet.refreshConnection().slice();
    results.trace?.begin(title, key);
    const translation = new Translator({
      context,
      key,
      scratch,
      packetBytes: packet.bytes.length,
      tracked: false,
      trace: results.trace,
    }).run(program);
    results.trace?.end(key, translation.operations);
    count(translation, packet.bytes.length);
    execute(translation.operations, [packet], 0, 0, results);
  };

  return {
    get ports() {
      return ports;
    },
    setPorts,
    tracker,
    process: ({ inPort, frame, tunnel, mark }, how) =>
      collect(how, (results) => {
        const packet = receivedPacket({ frame, inPort: portToWire(inPort), tunnel, mark, key: spare });
        spare = undefined;
        run(packet, 0, 0, results);
        if (!packet.held) spare = packet.key;
      }),
    packetOut: ({ packet: frame, inPort, metadata, actions }, how) =>
      collect(how, (results) => {
        const packet = receivedPacket({ frame, inPort: inPort === undefined ? reservedPorts.CONTROLLER : portToWire(inPort) });
        writeMetadata(packet.key, metadata ?? {});
        perform(packet, compileActions(actions, fault), "packet-out", results);
      }),
    resume: (given, how) =>
      collect(how, (results) => {
        const id =
          given.continuation.length === 8 ? new DataView(given.continuation.buffer, given.continuation.byteOffset).getBigUint64(0) : 0n;
        const continuation = continuations.get(id);
        if (continuation === undefined) return;
        continuations.delete(id);
        const { frozen, packet } = continuation;
        const resumed = new Packet(given.packet, packet.key.slice());
        resumed.copyConnection(packet);
        const metadata = frozen.metadata.slice();
        const whole = newKey();
        whole.set(metadata);
        writeMetadata(whole, given.metadata);
        const key = resumed.refreshConnection().slice();
        restoreMetadata(whole, key);
        const state: FrozenState = { ...frozen, metadata: key };
        results.trace?.begin("resume", key);
        const translation = new Translator({
          context,
          key,
          scratch,
          packetBytes: given.packet.length,
          frozen: state,
          tracked: frozen.tracked,
          trace: results.trace,
        }).run();
        results.trace?.end(key, translation.operations);
        count(translation, given.packet.length);
        execute(translation.operations, [resumed], 0, 1, results);
      }),
  };
}

const vlanWord = wordOf("vlan_tci");

const nothing = (key: Key): Translation => ({
  operations: [],
  consulted: new Int32Array(key.length),
  hits: [],
  effects: [],
  repeatable: false,
});

/** A bucket by its share of the weights. */
function weighted<Bucket extends { readonly bucket: { readonly weight?: number } }>(
  live: readonly Bucket[],
  hash: number,
): Bucket | undefined {
  const total = live.reduce((sum, { bucket }) => sum + (bucket.weight ?? 1), 0);
  let at = Math.floor((hash / 2 ** 32) * total);
  return live.find(({ bucket }) => {
    at -= bucket.weight ?? 1;
    return at < 0;
  });
}

/** Fields of a packet that are no headers: what a packet-in carries beside the frame. */
function metadataOf(key: Key): Match {
  const match = matchOfKey(key);
  return Object.fromEntries(Object.entries(match).filter(([name]) => /^(in_port|reg|metadata|tun_|ct_|pkt_mark)/.test(name)));
}

function writeMetadata(key: Key, metadata: Match): void {
  for (const term of matchTerms(metadata))
    for (const { word, value, mask } of term.field.name === "in_port_oxm"
      ? wordValues("in_port_oxm", term.value, term.mask)
      : termWords(term))
      key[word] = ((key[word] ?? 0) & ~mask) | value;
}
