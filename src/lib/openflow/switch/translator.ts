import type { Action, ConntrackAction, ControllerAction, PacketInReason } from "../action.ts";
import { fields } from "../fields.ts";
import { formatActions } from "../flow.ts";
import { type PortNumber, portToWire, reservedPorts } from "../port.ts";
import { actionSetOrder } from "./action-set.ts";
import { selectBuckets } from "./bucket-selection.ts";
import type { Fault } from "./faults.ts";
import type { CompiledBucket, CompiledGroup } from "./group-buckets.ts";
import { type Key, wordOf, wordsOf, wordValues } from "./layout.ts";
import { learnedFlow } from "./learn.ts";
import type { MacTable } from "./mac-table.ts";
import { normalWay } from "./normal.ts";
import type { Operation, Translation } from "./operation.ts";
import type { Tunnel } from "./packet.ts";
import type { Program, Step } from "./program.ts";
import { type FrozenState, frozenMetadataWords } from "./recirculation.ts";
import type { TableEntry } from "./table-entry.ts";
import type { Rules } from "./tables.ts";
import type { TraceWriter } from "./trace.ts";
import { trackingOperation } from "./tracking.ts";
import { tunnelFields, tunnelOf, tunnelTarget } from "./tunnel-fields.ts";
import { connectionWords, type Scratch, WalkedKey } from "./walked-key.ts";

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
/** OFPP_NONE in 16 bits: what bundle_load writes when no member is alive. */
const noPort = 0xffff;
/** How far a resubmit to a later table misses it with that fault: what our pipeline's tables are apart, so that it meets another one. */
const faultyStep = 5;
/** Look-ups inside one another: what JavaScript's own stack holds with room to spare. */
const maxNesting = 1_000;
/** Values that may lie on the stack of push and pop. */
const maxStack = 8_192;

const word = {
  inPort: wordOf("in_port_oxm"),
  ethType: wordOf("eth_type"),
  vlan: wordOf("vlan_tci"),
  ttl: wordOf("nw_ttl"),
  protocol: wordOf("ip_proto"),
  tcpFlags: wordOf("tcp_flags"),
} as const;
/** One walk of a packet through the tables. It is made for the packet and asked once. */
export class Translator {
  readonly #context: TranslatorContext;
  readonly #walked: WalkedKey;
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
    scratch: Scratch;
    packetBytes: number;
    frozen?: FrozenState | undefined;
    tracked: boolean;
    trace?: TraceWriter | undefined;
  }) {
    this.#context = options.context;
    this.#walked = new WalkedKey(options.key, options.scratch);
    this.#frozen = options.frozen;
    this.#packetBytes = options.packetBytes;
    this.#trace = options.trace;
    this.#table = options.frozen?.table ?? 0;
    this.#tracked = options.frozen?.tracked ?? options.tracked;
    this.#arrivalTunnel = options.frozen === undefined ? tunnelTarget(options.key) : "";
    this.#stack = [...(options.frozen?.stack ?? [])];
    this.#actionSet = [...(options.frozen?.actionSet ?? [])];
    if (!this.#tracked) this.#walked.clearConnection();
  }

  /** Walks from the table where the packet stands, or goes through `program` for a packet that a controller sends. */
  run(program?: Program): Translation {
    const steps = program ?? this.#frozen?.steps;
    if (steps === undefined) this.#lookup(this.#table);
    else this.#perform(steps);
    if (this.#paused === undefined) this.#performActionSet();
    if (this.#paused !== undefined) this.#freezeForController(this.#paused);
    // What a recirculation fixes, and the registers of a first pass, are the same for every packet.
    const { consulted } = this.#walked;
    for (const each of this.#frozen === undefined ? registerWords : frozenMetadataWords) consulted[each] = 0;
    if (this.#frozen?.tracked === false) for (const each of connectionWords) consulted[each] = 0;
    return {
      operations: this.#failed ? [] : this.#operations,
      consulted,
      hits: this.#hits,
      effects: this.#effects,
      repeatable: this.#repeatable,
    };
  }

  #lookup(number: number): void {
    const { rules, fault } = this.#context;
    const before = this.#table;
    const beforeCookie = this.#cookie;
    this.#table = fault === "resubmit misses its table" && this.#depth > 0 && number > before ? number + faultyStep : number;
    const table = rules.table(this.#table);
    const lookup = (): TableEntry | undefined => table?.lookup(this.#walked.key, this.#walked.consulted);
    const entry = fault === "later fragments have ports" ? lookup() : this.#walked.withoutPorts(lookup);
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
        if (this.#fits(step)) this.#walked.write(step.set ?? []);
        return true;
      case "move":
        if (this.#fits(step)) this.#walked.move(step.moves ?? []);
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
        this.#output(Number(this.#walked.read(action.source)), action.maxLength);
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
        this.#walked.write(wordValues("metadata", action.value, action.mask ?? fields.metadata.allOnes));
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
        this.#walked.key[word.vlan] = 0x1000;
        return true;
      case "pop_vlan":
        this.#commit();
        if (this.#walked.look(word.vlan) & 0x1000) this.#operations.push({ type: "pop_vlan" });
        this.#walked.key[word.vlan] = 0;
        return true;
      case "push":
        if (this.#stack.length < maxStack) this.#stack.push(this.#walked.read(action.source));
        return true;
      case "pop": {
        const value = this.#stack.pop();
        if (value !== undefined) this.#walked.writeSubfield(action.destination, value);
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
        this.#walked.writeSubfield(action.destination, this.#packetBytes > action.length ? 1n : 0n);
        return true;
      case "bundle_load": {
        const live = action.members.find((member) => this.#context.port(member)?.live === true);
        this.#walked.writeSubfield(action.destination, BigInt(live ?? noPort));
        return true;
      }
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
    const fits = this.#walked.fits(needs, { fragmentsHavePorts: this.#context.fault === "later fragments have ports" });
    if (!fits) this.#trace?.note("unmet prerequisites, ignored");
    return fits;
  }

  /** Puts what was written to headers and marks since last time into an operation. */
  #commit(): void {
    const values = this.#walked.takeWritten();
    if (values.length > 0) this.#operations.push({ type: "set", values });
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
    const before = this.#walked.key[word.inPort] as number;
    if (port !== undefined && port !== "IN_PORT") this.#walked.key[word.inPort] = portToWire(port) | 0;
    if (ct) this.#walked.swapTuple();
    this.#lookup(target);
    if (ct) this.#walked.swapTuple();
    this.#walked.key[word.inPort] = before;
    this.#leave(deepens);
  }

  #output(port: PortNumber, maxLength?: number): void {
    const number = portToWire(port);
    const inPort = (this.#walked.key[word.inPort] as number) >>> 0;
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
    if (port.isTunnel && (tunnel?.destination === undefined || tunnelTarget(this.#walked.key) === this.#arrivalTunnel)) {
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
    for (const name of tunnelFields) this.#walked.consult(name);
    return tunnelOf(this.#walked.key);
  }

  #normal(): void {
    const { ports, flooded, learn } = normalWay(this.#walked, this.#context);
    if (learn !== undefined) this.#effects.push(learn);
    if (flooded) this.#repeatable = false;
    for (const each of ports) this.#send(each, undefined);
  }

  #track(action: ConntrackAction, exec: Program): void {
    this.#commit();
    this.#operations.push(trackingOperation(this.#walked, action, () => this.#perform(exec)));
    if (action.table !== undefined) {
      const metadata =
        this.#context.fault === "tracked packets lose their registers" ? withoutRegisters(this.#walked.key) : this.#walked.key;
      const id = this.#context.freeze({ table: action.table, metadata, tracked: true, stack: this.#stack, actionSet: this.#actionSet });
      this.#operations.push({ type: "recirc", id });
      this.#trace?.note(`A clone of the packet is forked to recirculate. The forked pipeline will be resumed at table ${action.table}.`);
    }
    this.#walked.clearConnection();
    this.#tracked = false;
    this.#trace?.note("Sets the packet to an untracked state, and clears all the conntrack fields.");
  }

  #clearTracking(): void {
    if (!this.#tracked) return;
    this.#operations.push({ type: "ct_clear" });
    this.#walked.clearConnection();
    this.#tracked = false;
  }

  #decrementTtl(controllers: readonly number[]): boolean {
    const { fault } = this.#context;
    const type = this.#walked.key[word.ethType];
    if (type !== 0x0800 && type !== 0x86dd) return true;
    const ttl = this.#walked.look(word.ttl);
    if (ttl > 1 || (ttl === 1 && fault === "expired time to live passes")) {
      if (fault !== "time to live is kept") this.#walked.write([{ word: word.ttl, value: ttl - 1, mask: 0xff }]);
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
    const chosen = selectBuckets(group, this.#walked, this.#context);
    if (chosen.length === 0) this.#trace?.note("no live bucket");
    for (const bucket of chosen) {
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

  /** Runs `body` on a copy of the packet: what it does to it ends with it. */
  #isolated(body: () => void): void {
    const outer = { operations: this.#operations, restore: this.#walked.save(), tracked: this.#tracked };
    this.#operations = [];
    body();
    const operations = this.#operations;
    if (this.#paused !== undefined) {
      this.#freezeForController(this.#paused);
      this.#exit = false;
    }
    this.#operations = outer.operations;
    if (operations.length > 0) this.#operations.push({ type: "clone", operations });
    outer.restore();
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
      key: this.#walked.key.slice(),
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
      metadata: this.#walked.key,
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
    const flow = learnedFlow(action, { key: this.#walked.key, consult: ({ field }) => this.#walked.consult(field), fault });
    this.#trace?.note(`learns ${formatActions([action])}`);
    // The packet that teaches does not see what it taught: it walks the tables as they were.
    const learned = rules.hasRoom(flow, action.limit ?? 0);
    this.#effects.push(() => rules.learn(flow, action.limit ?? 0));
    if (action.resultDestination === undefined) return;
    this.#repeatable = false;
    this.#walked.writeSubfield(action.resultDestination, learned ? 1n : 0n);
  }

  /** A connection's end shortens the life of the flow that carries it. */
  #finTimeout(idle: number, hard: number): void {
    if (this.#walked.look(word.protocol) !== 6) return;
    const entry = this.#hits.at(-1);
    if ((this.#walked.look(word.tcpFlags) & 5) === 0 || entry === undefined) return;
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
