import { IpAddress } from "#lib/ip/index.ts";
import type { Action, ConntrackAction, ControllerAction, PacketInReason } from "../action.ts";
import { formatActions } from "../flow.ts";
import { type PortNumber, portToWire, reservedPorts } from "../port.ts";
import type { Subfield } from "../subfield.ts";
import { chunkMask, firstHeaderWord, type Key, keyWords, place, readField, readSubfield, type WordValue, wordOf } from "./layout.ts";
import type { Fault } from "./faults.ts";
import { learnedFlow } from "./learn.ts";
import type { MacTable } from "./mac-table.ts";
import type { ConntrackOperation, Operation, Translation } from "./operation.ts";
import type { Tunnel } from "./packet.ts";
import { fragment } from "./parse.ts";
import type { Program, Step } from "./program.ts";
import { actionSetOrder } from "./action-set.ts";
import { type FrozenState, frozenMetadataWords } from "./recirculation.ts";
import type { CompiledBucket, CompiledGroup, Rules } from "./tables.ts";
import type { TableEntry } from "./table-entry.ts";
import type { TraceWriter } from "./trace.ts";

/** What a walk through the tables needs of its switch. */
export interface TranslatorContext {
  readonly rules: Rules;
  readonly macs: MacTable;
  /** Ports by number, with what they are. */
  port(number: number): { readonly number: number; readonly isTunnel: boolean; readonly live: boolean } | undefined;
  portNumbers(): readonly number[];
  freeze(state: FrozenState): number;
  /** Which of the live buckets of a select group takes the packet. */
  chooseBucket(group: CompiledGroup, live: readonly CompiledBucket[], hash: number): CompiledBucket | undefined;
  readonly fault: Fault | undefined;
}

/** Bounds of a walk, as ovs-vswitchd has them: nested look-ups, and look-ups in all. */
const maxDepth = 64;
const maxResubmits = 64 * 64;
/** Look-ups inside one another: what JavaScript's own stack holds with room to spare. */
const maxNesting = 1_000;
/** Values that may lie on the stack of push and pop. */
const maxStack = 8_192;

const word = {
  inPort: wordOf("in_port_oxm"),
  ethType: wordOf("eth_type"),
  ethSrc: wordOf("eth_src"),
  ethDst: wordOf("eth_dst"),
  vlan: wordOf("vlan_tci"),
  ttl: wordOf("nw_ttl"),
  frag: wordOf("ip_frag"),
  protocol: wordOf("ip_proto"),
  metadata: wordOf("metadata"),
  ctState: wordOf("ct_state"),
  ctMark: wordOf("ct_mark"),
  ctLabel: wordOf("ct_label"),
  pktMark: wordOf("pkt_mark"),
  tcpFlags: wordOf("tcp_flags"),
} as const;
const ctWords = [
  ...["ct_state", "ct_zone", "ct_mark", "ct_nw_proto", "ct_nw_src", "ct_nw_dst", "ct_tp_src", "ct_tp_dst"].map((name) =>
    wordOf(name as "ct_state"),
  ),
  ...[0, 1, 2, 3].flatMap((index) => [word.ctLabel + index, wordOf("ct_ipv6_src") + index, wordOf("ct_ipv6_dst") + index]),
];
/** Bits by which packets are spread over the buckets of a select group. */
const spreadWords = (
  ["ip_proto", "ip_src", "ip_dst", "tcp_src", "tcp_dst", "udp_src", "udp_dst", "sctp_src", "sctp_dst", "eth_src", "eth_dst"] as const
).flatMap((name) => wordsOf(name));
const spreadWords6 = (["ipv6_src", "ipv6_dst"] as const).flatMap((name) => wordsOf(name));

/** What fragments do not show to tables. */
const portWords = (
  ["tcp_src", "tcp_dst", "udp_src", "udp_dst", "sctp_src", "sctp_dst", "icmp_type", "icmp_code", "icmpv6_type", "icmpv6_code"] as const
).map(wordOf);

function wordsOf(name: Parameters<typeof place>[0]): number[] {
  const { word: first, words } = place(name);
  return Array.from({ length: words }, (_, index) => first + index);
}

/** One walk of a packet through the tables. It is made for the packet and asked once. */
export class Translator {
  readonly #context: TranslatorContext;
  readonly #key: Key;
  readonly #consulted = new Int32Array(keyWords);
  /** Bits written and not yet put into an operation. */
  #written = new Int32Array(keyWords);
  #dirty = false;
  #operations: Operation[] = [];
  readonly #hits: TableEntry[] = [];
  readonly #effects: (() => void)[] = [];
  readonly #trace: TraceWriter | undefined;
  readonly #frozen: FrozenState | undefined;
  readonly #packetBytes: number;
  readonly #arrivalTunnel: string;
  #repeatable = true;
  #tracked: boolean;
  #table: number;
  #cookie = 0n;
  #depth = 0;
  #resubmits = 0;
  #nesting = 0;
  #exit = false;
  /** A bound was hit: the packet is dropped. */
  #failed = false;
  #inActionSet = false;
  #inGroup = false;
  #stack: bigint[] = [];
  #actionSet: Step[] = [];
  #paused: { readonly action: ControllerAction; readonly table: number; readonly cookie: bigint } | undefined;
  #left: Step[] = [];

  constructor(options: {
    context: TranslatorContext;
    /** The packet's key; the walk changes it. */
    key: Key;
    packetBytes: number;
    frozen?: FrozenState | undefined;
    tracked: boolean;
    trace?: TraceWriter | undefined;
  }) {
    this.#context = options.context;
    this.#key = options.key;
    this.#frozen = options.frozen;
    this.#packetBytes = options.packetBytes;
    this.#trace = options.trace;
    this.#table = options.frozen?.table ?? 0;
    this.#tracked = options.frozen?.tracked ?? options.tracked;
    this.#arrivalTunnel = options.frozen === undefined ? tunnelTarget(options.key) : "";
    this.#stack = [...(options.frozen?.stack ?? [])];
    this.#actionSet = [...(options.frozen?.actionSet ?? [])];
    if (!this.#tracked) for (const each of ctWords) this.#key[each] = 0;
    const consulted = this.#consulted;
    consulted[word.inPort] = -1;
    consulted[word.ethType] = -1;
    consulted[word.frag] = fragment.any | fragment.later;
  }

  /** Walks from the table where the packet stands, or goes through `program` for a packet that a controller sends. */
  run(program?: Program): Translation {
    const steps = program ?? this.#frozen?.steps;
    if (steps === undefined) this.#lookup(this.#table);
    else this.#perform(steps);
    if (this.#paused === undefined) this.#performActionSet();
    if (this.#paused !== undefined) this.#freezeForController(this.#paused);
    // What a recirculation fixes, and the registers of a first pass, are the same for every packet.
    for (const each of this.#frozen === undefined ? registerWords : frozenMetadataWords) this.#consulted[each] = 0;
    if (!this.#trackedAtStart()) for (const each of ctWords) this.#consulted[each] = 0;
    return {
      operations: this.#failed ? [] : this.#operations,
      consulted: this.#consulted,
      hits: this.#hits,
      effects: this.#effects,
      repeatable: this.#repeatable,
    };
  }

  #trackedAtStart(): boolean {
    return this.#frozen?.tracked ?? true;
  }

  #lookup(number: number): void {
    const { rules, fault } = this.#context;
    const before = this.#table;
    const beforeCookie = this.#cookie;
    this.#table = fault === "resubmit keeps to its table" && this.#depth > 0 && number === before + 1 ? before + 2 : number;
    const fragmented = ((this.#key[word.frag] as number) & fragment.any) !== 0 && fault !== "later fragments have ports";
    const hidden = fragmented ? portWords.map((at) => this.#key[at] as number) : undefined;
    // For look-ups no fragment has ports: otherwise parts of a packet would go different ways (OFPC_FRAG_NORMAL).
    if (hidden !== undefined) for (const at of portWords) this.#key[at] = 0;
    const entry = rules.table(this.#table)?.lookup(this.#key, this.#consulted);
    if (hidden !== undefined) for (const [index, at] of portWords.entries()) this.#key[at] = hidden[index] as number;
    this.#trace?.table(this.#table, entry, this.#depth);
    if (entry !== undefined) {
      this.#hits.push(entry);
      this.#cookie = entry.flow.cookie;
      this.#perform(entry.program);
    }
    this.#table = before;
    this.#cookie = beforeCookie;
  }

  #perform(program: Program): void {
    for (let index = 0; index < program.length; index++) {
      const step = program[index] as Step;
      if (this.#exit) {
        // A controller has the packet: what is left is done when it gives it back.
        if (this.#paused !== undefined) this.#left.push(...program.slice(index));
        return;
      }
      this.#trace?.action(step.action);
      if (!this.#step(step)) return;
    }
  }

  /** Performs one action. False ends the list it stands in. */
  #step(step: Step): boolean {
    const { action } = step;
    switch (action.type) {
      case "set_field":
      case "load":
        if (this.#fits(step)) this.#write(step.set ?? []);
        return true;
      case "move":
        if (this.#fits(step)) this.#move(step);
        return true;
      case "goto_table":
        this.#goTo(action.table);
        return true;
      case "resubmit":
        this.#resubmit(action);
        return true;
      case "output":
        this.#output(action.port, action.maxLength);
        return true;
      case "output_reg":
        this.#output(Number(this.#read(action.source)), action.maxLength);
        return true;
      case "ct":
        this.#track(action, step.nested ?? []);
        return true;
      case "ct_clear":
        this.#clearTracking();
        return true;
      case "dec_ttl":
        return this.#decrementTtl(action.ids ?? [0]);
      case "group":
        return this.#group(action.group);
      case "controller":
        this.#toController(action);
        return true;
      case "meter":
        this.#operations.push({ type: "meter", meter: action.meter });
        return true;
      case "learn":
        this.#learn(action);
        return true;
      case "clone":
        this.#isolated(() => this.#perform(step.nested ?? []));
        return true;
      case "write_metadata":
        this.#writeMetadata(action.value, action.mask ?? 0xffff_ffff_ffff_ffffn);
        return true;
      case "write_actions":
        this.#actionSet.push(...(step.nested ?? []));
        return true;
      case "clear_actions":
        this.#actionSet = [];
        return true;
      case "push_vlan":
        this.#commit();
        this.#operations.push({ type: "push_vlan", etherType: action.etherType });
        this.#key[word.vlan] = 0x1000;
        return true;
      case "pop_vlan":
        this.#consulted[word.vlan] = -1;
        this.#commit();
        if ((this.#key[word.vlan] ?? 0) & 0x1000) this.#operations.push({ type: "pop_vlan" });
        this.#key[word.vlan] = 0;
        return true;
      case "push":
        if (this.#stack.length < maxStack) this.#stack.push(this.#read(action.source));
        return true;
      case "pop": {
        const value = this.#stack.pop();
        if (value !== undefined) this.#writeSubfield(action.destination, value);
        return true;
      }
      case "exit":
        this.#exit = true;
        return true;
      case "fin_timeout":
        this.#finTimeout(action.idleTimeout, action.hardTimeout);
        return true;
      case "check_pkt_larger":
        this.#repeatable = false;
        this.#writeSubfield(action.destination, this.#packetBytes > action.length ? 1n : 0n);
        return true;
      case "conjunction":
      case "note":
      case "set_queue":
      case "pop_queue":
      case "unknown":
        return true;
    }
  }

  /** The packet has the field: its protocol fits. */
  #fits({ needs }: Step): boolean {
    const { fault } = this.#context;
    for (const { word: at, permitted } of needs) {
      this.#consulted[at] = -1;
      const value = this.#key[at] as number;
      if (at === word.frag ? (value & fragment.later) !== 0 && fault !== "later fragments have ports" : !permitted.includes(value)) {
        this.#trace?.note("unmet prerequisites, ignored");
        return false;
      }
    }
    return true;
  }

  #write(values: readonly WordValue[]): void {
    for (const { word: at, value, mask } of values) {
      this.#key[at] = ((this.#key[at] as number) & ~mask) | value;
      this.#written[at] = (this.#written[at] as number) | mask;
    }
    this.#dirty = true;
  }

  #move({ moves = [] }: Step): void {
    // Both sides may lie in one field: read all before writing any.
    const values = moves.map(
      ({ from }) => ((this.#key[from.word] as number) >>> from.shift) & (from.bits === 32 ? -1 : (1 << from.bits) - 1),
    );
    for (const [index, { from, to }] of moves.entries()) {
      this.#consulted[from.word] = (this.#consulted[from.word] as number) | chunkMask(from);
      const mask = chunkMask(to);
      this.#key[to.word] = ((this.#key[to.word] as number) & ~mask) | (((values[index] as number) << to.shift) & mask);
      this.#written[to.word] = (this.#written[to.word] as number) | mask;
    }
    this.#dirty = true;
  }

  #read(source: Subfield): bigint {
    this.#consult(source);
    return readSubfield(this.#key, source);
  }

  #consult({ field }: Subfield): void {
    for (const each of wordsOf(field)) this.#consulted[each] = -1;
  }

  #writeSubfield(destination: Subfield, value: bigint): void {
    const { word: first, words, shift } = place(destination.field);
    const mask = ((1n << BigInt(destination.bits)) - 1n) << BigInt(destination.offset + shift);
    const placed = (value << BigInt(destination.offset + shift)) & mask;
    const parts = Array.from({ length: words }, (_, index): WordValue => {
      const low = BigInt(32 * (words - 1 - index));
      return { word: first + index, value: Number((placed >> low) & 0xffff_ffffn) | 0, mask: Number((mask >> low) & 0xffff_ffffn) | 0 };
    });
    this.#write(parts.filter(({ mask: part }) => part !== 0));
  }

  #writeMetadata(value: bigint, mask: bigint): void {
    this.#write(
      [32n, 0n].map((low, index) => {
        const part = Number((mask >> low) & 0xffff_ffffn) | 0;
        return { word: word.metadata + index, value: Number((value >> low) & 0xffff_ffffn) & part, mask: part };
      }),
    );
  }

  /** Puts what was written to headers and marks since last time into an operation. */
  #commit(): void {
    if (!this.#dirty) return;
    const values: WordValue[] = [];
    const written = this.#written;
    if (written[word.pktMark] !== 0) values.push(this.#pending(word.pktMark));
    for (let at = firstHeaderWord; at < keyWords; at++) if (written[at] !== 0) values.push(this.#pending(at));
    if (values.length > 0) this.#operations.push({ type: "set", values });
    this.#dirty = false;
  }

  #pending(at: number): WordValue {
    const mask = this.#written[at] as number;
    this.#written[at] = 0;
    return { word: at, value: (this.#key[at] as number) & mask, mask };
  }

  #goTo(table: number): void {
    const deepens = table <= this.#table ? 1 : 0;
    if (!this.#enter(deepens)) return;
    this.#lookup(table);
    this.#leave(deepens);
  }

  /** Only a way back counts as deeper: forward there are no circles. */
  #enter(deepens: number): boolean {
    if (this.#depth >= maxDepth || this.#resubmits >= maxResubmits || this.#nesting >= maxNesting) {
      this.#trace?.note(this.#depth >= maxDepth ? "over max translation depth 64" : "over 4096 resubmit actions");
      this.#failed = true;
      this.#exit = true;
      return false;
    }
    this.#depth += deepens;
    this.#resubmits++;
    this.#nesting++;
    return true;
  }

  #leave(deepens: number): void {
    this.#depth -= deepens;
    this.#nesting--;
  }

  #resubmit({ table, port, ct }: Extract<Action, { type: "resubmit" }>): void {
    const target = table ?? this.#table;
    const deepens = target <= this.#table ? 1 : 0;
    if (!this.#enter(deepens)) return;
    const before = this.#key[word.inPort] as number;
    if (port !== undefined && port !== "IN_PORT") this.#key[word.inPort] = portToWire(port) | 0;
    if (ct) this.#swapTuple();
    this.#lookup(target);
    if (ct) this.#swapTuple();
    this.#key[word.inPort] = before;
    this.#leave(deepens);
  }

  /** `resubmit(…,ct)` looks the connection's first addresses and ports up instead of the packet's. */
  #swapTuple(): void {
    for (const [packet, original] of tuplePairs) {
      const value = this.#key[packet] as number;
      this.#key[packet] = this.#key[original] as number;
      this.#key[original] = value;
      this.#consulted[original] = -1;
      this.#consulted[packet] = -1;
    }
  }

  #output(port: PortNumber, maxLength?: number): void {
    const number = portToWire(port);
    const inPort = (this.#key[word.inPort] as number) >>> 0;
    switch (number) {
      case reservedPorts.IN_PORT:
        this.#send(inPort, maxLength);
        return;
      case reservedPorts.CONTROLLER:
        this.#packetIn({ type: "controller", ...(maxLength === undefined ? {} : { maxLength }) });
        return;
      case reservedPorts.NORMAL:
        this.#normal();
        return;
      case reservedPorts.FLOOD:
      case reservedPorts.ALL:
        for (const each of this.#context.portNumbers()) if (each !== inPort) this.#send(each, maxLength);
        return;
      case reservedPorts.TABLE:
        this.#goTo(0);
        return;
      case reservedPorts.ANY:
        return;
    }
    if (number === inPort && this.#context.fault !== "output goes back to the input port")
      this.#trace?.note("skipping output to input port");
    else this.#send(number, maxLength);
  }

  #send(number: number, maxLength: number | undefined): void {
    const port = this.#context.port(number);
    if (port === undefined) {
      this.#trace?.note("Nonexistent output port");
      return;
    }
    const tunnel = port.isTunnel ? this.#tunnel() : undefined;
    if (port.isTunnel && (tunnel?.destination === undefined || tunnelTarget(this.#key) === this.#arrivalTunnel)) {
      this.#trace?.note("Tunneling decided against output");
      return;
    }
    this.#commit();
    this.#operations.push({
      type: "output",
      port: number,
      ...(tunnel === undefined ? {} : { tunnel }),
      ...(maxLength === undefined || maxLength === 0 ? {} : { maxLength }),
    });
  }

  #tunnel(): Tunnel {
    for (const name of ["tun_id", "tun_src", "tun_dst", "tun_ipv6_src", "tun_ipv6_dst"] as const)
      for (const each of wordsOf(name)) this.#consulted[each] = -1;
    return tunnelOf(this.#key);
  }

  #normal(): void {
    const { macs } = this.#context;
    const key = this.#key;
    for (const each of [...wordsOf("eth_src"), ...wordsOf("eth_dst"), word.vlan]) this.#consulted[each] = -1;
    const inPort = (key[word.inPort] as number) >>> 0;
    const vlan = (key[word.vlan] as number) & 0xfff;
    const source = readField(key, "eth_src");
    const destination = readField(key, "eth_dst");
    // Frames to the addresses that bridges keep to themselves (IEEE 802.1D) go nowhere.
    if (destination >> 4n === 0x0180_c200_000n) return;
    const learn = (): void => macs.learn({ vlan, mac: source, port: inPort });
    learn();
    this.#effects.push(learn);
    const known = macs.find({ vlan, mac: destination });
    if (known === undefined) {
      this.#repeatable = false;
      for (const each of this.#context.portNumbers()) if (each !== inPort) this.#send(each, undefined);
    } else if (known !== inPort) this.#send(known, undefined);
  }

  #track(action: ConntrackAction, exec: Program): void {
    this.#commit();
    const { zone: place } = action;
    const zone = typeof place === "object" ? Number(this.#read(place)) : (place ?? 0);
    const before = [word.ctMark, ...[0, 1, 2, 3].map((index) => word.ctLabel + index)];
    for (const at of before) this.#written[at] = 0;
    this.#perform(exec);
    const part = (at: number): { value: number; mask: number } => {
      const mask = this.#written[at] as number;
      this.#written[at] = 0;
      return { value: (this.#key[at] as number) & mask, mask };
    };
    const mark = part(word.ctMark);
    const labels = [0, 1, 2, 3].map((index) => part(word.ctLabel + index));
    const operation: ConntrackOperation = {
      type: "ct",
      zone,
      commit: action.commit ?? false,
      force: action.force ?? false,
      ...(action.nat === undefined ? {} : { nat: action.nat }),
      ...(mark.mask === 0 ? {} : { mark }),
      ...(labels.every(({ mask }) => mask === 0)
        ? {}
        : { label: { value: labels.map(({ value }) => value), mask: labels.map(({ mask }) => mask) } }),
    };
    this.#operations.push(operation);
    if (action.table !== undefined) {
      const metadata = this.#context.fault === "tracked packets lose their registers" ? withoutRegisters(this.#key) : this.#key;
      const id = this.#context.freeze({ table: action.table, metadata, tracked: true, stack: this.#stack, actionSet: this.#actionSet });
      this.#operations.push({ type: "recirc", id });
      this.#trace?.note(`A clone of the packet is forked to recirculate. The forked pipeline will be resumed at table ${action.table}.`);
    }
    for (const at of ctWords) this.#key[at] = 0;
    this.#tracked = false;
    this.#trace?.note("Sets the packet to an untracked state, and clears all the conntrack fields.");
  }

  #clearTracking(): void {
    if (!this.#tracked) return;
    this.#operations.push({ type: "ct_clear" });
    for (const at of ctWords) this.#key[at] = 0;
    this.#tracked = false;
  }

  #decrementTtl(controllers: readonly number[]): boolean {
    const { fault } = this.#context;
    const type = this.#key[word.ethType];
    if (type !== 0x0800 && type !== 0x86dd) return true;
    this.#consulted[word.ttl] = -1;
    const ttl = this.#key[word.ttl] as number;
    if (ttl > 1 || (ttl === 1 && fault === "expired time to live passes")) {
      if (fault !== "time to live is kept") this.#write([{ word: word.ttl, value: ttl - 1, mask: 0xff }]);
      return true;
    }
    this.#trace?.note(`IPv${type === 0x0800 ? 4 : 6} decrement TTL exception`);
    for (const id of controllers) this.#packetIn({ type: "controller", reason: "invalid_ttl", id });
    return false;
  }

  #group(number: number): boolean {
    const group = this.#context.rules.group(number);
    if (group === undefined) {
      this.#trace?.note(`group ${number} does not exist`);
      return false;
    }
    if (this.#depth >= maxDepth) return this.#enter(1);
    for (const bucket of this.#bucketsOf(group)) {
      this.#trace?.bucket(bucket.id);
      const inGroup = this.#inGroup;
      this.#inGroup = true;
      this.#depth++;
      this.#isolated(() => this.#perform(actionSetOrder(bucket.program)));
      this.#depth--;
      this.#inGroup = inGroup;
      this.#exit = false;
    }
    return true;
  }

  #bucketsOf(group: CompiledGroup): readonly CompiledBucket[] {
    if (group.group.type === "all") return group.buckets;
    if (group.group.type === "indirect") return group.buckets.slice(0, 1);
    const live = group.buckets.filter((bucket) => this.#isLive(bucket, 0));
    if (group.group.type === "fast_failover") return live.slice(0, 1);
    const chosen = this.#context.chooseBucket(
      group,
      live.filter(({ bucket }) => (bucket.weight ?? 1) > 0),
      this.#spread(group),
    );
    this.#trace?.note(chosen === undefined ? "no live bucket" : `using bucket ${chosen.id}`);
    return chosen === undefined ? [] : [chosen];
  }

  #isLive({ bucket }: CompiledBucket, depth: number): boolean {
    const { watchPort, watchGroup } = bucket;
    if (watchPort !== undefined && watchPort !== "ANY" && this.#context.port(portToWire(watchPort))?.live !== true) return false;
    if (watchGroup === undefined || watchGroup === 0xffff_ffff) return true;
    const watched = this.#context.rules.group(watchGroup);
    return depth < maxDepth && watched?.buckets.some((each) => this.#isLive(each, depth + 1)) === true;
  }

  /** A number that is the same for all packets of a connection's direction, or for equal values of the group's own fields. */
  #spread({ group }: CompiledGroup): number {
    const key = this.#key;
    const own = group.selectionMethod === "hash" ? group.selectionFields : undefined;
    const words = own?.flatMap(({ field }) => wordsOf(field)) ?? [...(key[word.ethType] === 0x86dd ? spreadWords6 : []), ...spreadWords];
    let hash = Number((group.selectionParameter ?? 0n) & 0xffff_ffffn) | 0;
    for (const at of words) {
      this.#consulted[at] = -1;
      hash = Math.imul(hash ^ (key[at] as number), 0x85eb_ca6b) ^ (hash >>> 13);
    }
    return Math.imul(hash ^ (hash >>> 16), 0xc2b2_ae35) >>> 0;
  }

  /** Runs `body` on a copy of the packet: what it does to it ends with it. */
  #isolated(body: () => void): void {
    const outer = {
      operations: this.#operations,
      key: this.#key.slice(),
      written: this.#written.slice(),
      dirty: this.#dirty,
      tracked: this.#tracked,
    };
    this.#operations = [];
    body();
    const operations = this.#operations;
    if (this.#paused !== undefined) {
      this.#freezeForController(this.#paused);
      this.#exit = false;
    }
    this.#operations = outer.operations;
    if (operations.length > 0) this.#operations.push({ type: "clone", operations });
    this.#key.set(outer.key);
    this.#written = outer.written;
    this.#dirty = outer.dirty;
    this.#tracked = outer.tracked;
  }

  #toController(action: ControllerAction): void {
    if (action.pause) {
      this.#paused = { action, table: this.#table, cookie: this.#cookie };
      this.#exit = true;
      return;
    }
    if (action.meter === undefined) {
      this.#packetIn(action);
      return;
    }
    const { meter } = action;
    this.#isolated(() => {
      this.#operations.push({ type: "meter", meter });
      this.#packetIn(action);
    });
  }

  #packetIn(action: ControllerAction, resumeAt?: number): void {
    this.#commit();
    const reason: PacketInReason = action.reason ?? (this.#inGroup ? "group" : this.#inActionSet ? "action_set" : "action");
    this.#operations.push({
      type: "packet_in",
      reason,
      table: this.#table,
      cookie: this.#cookie,
      maxLength: action.maxLength ?? 0xffff,
      key: this.#key.slice(),
      ...(action.userdata === undefined ? {} : { userdata: action.userdata }),
      ...(resumeAt === undefined ? {} : { resumeAt }),
    });
    // The packet-in holds metadata that was not consulted.
    this.#repeatable = false;
  }

  #freezeForController({
    action,
    table,
    cookie,
  }: {
    readonly action: ControllerAction;
    readonly table: number;
    readonly cookie: bigint;
  }): void {
    const id = this.#context.freeze({
      table,
      metadata: this.#key,
      tracked: this.#tracked,
      stack: this.#stack,
      actionSet: this.#actionSet,
      steps: this.#left,
    });
    this.#paused = undefined;
    this.#left = [];
    const before = { table: this.#table, cookie: this.#cookie };
    this.#table = table;
    this.#cookie = cookie;
    this.#packetIn(action, id);
    this.#table = before.table;
    this.#cookie = before.cookie;
  }

  #learn(action: Extract<Action, { type: "learn" }>): void {
    const { rules, fault } = this.#context;
    const flow = learnedFlow(action, { key: this.#key, consult: (source) => this.#consult(source), fault });
    this.#trace?.note(`learns ${formatActions([action])}`);
    // The packet that teaches does not see what it taught: it walks the tables as they were.
    const learned = rules.hasRoom(flow, action.limit ?? 0);
    this.#effects.push(() => rules.learn(flow, action.limit ?? 0));
    if (action.resultDestination === undefined) return;
    this.#repeatable = false;
    this.#writeSubfield(action.resultDestination, learned ? 1n : 0n);
  }

  /** A connection's end shortens the life of the flow that carries it. */
  #finTimeout(idle: number, hard: number): void {
    this.#consulted[word.protocol] = -1;
    if (this.#key[word.protocol] !== 6) return;
    this.#consulted[word.tcpFlags] = -1;
    const entry = this.#hits.at(-1);
    if (((this.#key[word.tcpFlags] as number) & 5) === 0 || entry === undefined) return;
    entry.finTimeouts = { idle, hard };
    this.#context.rules.shorten(entry);
  }

  #performActionSet(): void {
    if (this.#actionSet.length === 0) return;
    const steps = actionSetOrder(this.#actionSet);
    this.#actionSet = [];
    this.#inActionSet = true;
    this.#perform(steps);
    this.#inActionSet = false;
  }
}

const registerWords = new Set<number>([
  ...wordsOf("xxreg0"),
  ...wordsOf("xxreg1"),
  ...wordsOf("xxreg2"),
  ...wordsOf("xxreg3"),
  ...wordsOf("metadata"),
  wordOf("conj_id"),
  wordOf("actset_output"),
  wordOf("packet_type"),
]);

function withoutRegisters(key: Key): Key {
  const copy = key.slice();
  for (const at of registerWords) copy[at] = 0;
  return copy;
}

const tuplePairs: readonly (readonly [number, number])[] = [
  [wordOf("ip_src"), wordOf("ct_nw_src")],
  [wordOf("ip_dst"), wordOf("ct_nw_dst")],
  ...[0, 1, 2, 3].flatMap((index) => [
    [wordOf("ipv6_src") + index, wordOf("ct_ipv6_src") + index] as const,
    [wordOf("ipv6_dst") + index, wordOf("ct_ipv6_dst") + index] as const,
  ]),
  [wordOf("ip_proto"), wordOf("ct_nw_proto")],
];

const tunnelTarget = (key: Key): string =>
  wordsOf("tun_dst")
    .concat(wordsOf("tun_ipv6_dst"))
    .map((at) => key[at])
    .join();

/** The tunnel that a key's fields name. */
export function tunnelOf(key: Key): Tunnel {
  const address = (v4: "tun_src" | "tun_dst", v6: "tun_ipv6_src" | "tun_ipv6_dst"): IpAddress | undefined => {
    const four = readField(key, v4);
    const six = readField(key, v6);
    return four !== 0n ? new IpAddress(4, four) : six === 0n ? undefined : new IpAddress(6, six);
  };
  const source = address("tun_src", "tun_ipv6_src");
  const destination = address("tun_dst", "tun_ipv6_dst");
  return {
    id: readField(key, "tun_id"),
    ...(source === undefined ? {} : { source }),
    ...(destination === undefined ? {} : { destination }),
  };
}
