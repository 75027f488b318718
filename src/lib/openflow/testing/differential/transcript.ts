import { decodeFrame, type Ipv4Packet, type Ipv6Packet } from "#lib/packet/index.ts";
import { type IpAddress, parseAddress } from "#lib/ip/index.ts";
import { seededRandom, virtualClock } from "#lib/runtime/index.ts";
import type { Action } from "../../action.ts";
import type { BundledChange } from "../../connection.ts";
import { formatFlow, parseFlow } from "../../flow.ts";
import { formatGroup, parseGroup } from "../../group-text.ts";
import { ctTextOf } from "./connection-text.ts";
import { createMemorySwitch, type MemorySwitch, type MemorySwitchOptions, type SwitchPort } from "../../switch/memory-switch.ts";
import type { NatChoice } from "../../switch/conntrack/translation.ts";
import type { CompiledBucket, CompiledGroup } from "../../switch/group-buckets.ts";
import type { Generator } from "./generator.ts";
import type { Emitted, RealSwitch } from "./real-switch.ts";

/** One frame, and what a real switch did with it. */
export interface Step {
  /** Milliseconds of the switch's clock since the start: none pass while {@link record} is at work. */
  readonly at: number;
  readonly port: number;
  readonly frame: Uint8Array;
  readonly emitted: readonly Emitted[];
  /** What the datapath tracked afterwards, where that was asked. */
  readonly connections?: readonly string[];
}

/** What a real switch did under some flows: enough to ask another switch whether it does the same. */
export interface Transcript {
  readonly changes: readonly BundledChange[];
  readonly ports: readonly SwitchPort[];
  readonly steps: readonly Step[];
  /** Which of a group's live buckets the real switch took for a connection, where only what it did not emit tells. */
  readonly choices?: ReadonlyMap<string, number>;
}

/** The connections are compared after so many frames. */
const compareEvery = 250;

/** Programs a real switch, sends generated frames through it and writes down what comes out. */
export async function record(
  real: RealSwitch,
  options: {
    changes: readonly BundledChange[];
    ports: readonly SwitchPort[];
    generator: Generator;
    frames: number;
  },
): Promise<Transcript> {
  const { changes, ports, generator, frames } = options;
  await real.clear();
  await real.connection.change(changes);
  await real.refresh();
  const steps: Step[] = [];
  while (steps.length < frames)
    for (const injection of generator.next()) {
      const emitted = await real.inject(injection.port, injection.frame);
      generator.observe(injection, emitted);
      const asked = steps.length % compareEvery === compareEvery - 1;
      steps.push({ at: 0, ...injection, emitted, ...(asked ? { connections: await real.connections() } : {}) });
    }
  return { changes, ports, steps };
}

/** Where two switches part. */
export interface Difference {
  readonly step: number;
  readonly port: number;
  readonly frame: Uint8Array;
  readonly real: readonly string[];
  readonly ours: readonly string[];
}

interface Guess {
  readonly buckets: number;
  readonly step: number;
}

export interface Replay {
  readonly differences: readonly Difference[];
  /** By connection, of how many buckets one was guessed, and when last. */
  readonly guesses: ReadonlyMap<string, Guess>;
  readonly memory: MemorySwitch;
}

/** Choices without a trace are tried one after the other, so many times in all. */
const mostGuesses = 40;

/**
 * The transcript with the choices of the real switch that left no trace: guessed so that the most steps agree. What differs then differs
 * whatever was chosen.
 */
export function withChoices(transcript: Transcript): Transcript {
  const choices = new Map<string, number>();
  for (let guess = 0; guess < mostGuesses; guess++) {
    const { differences, guesses } = replay({ ...transcript, choices }, { stopAtFirst: true });
    const [first] = differences;
    if (first === undefined) break;
    // The last that was guessed, with buckets left to try.
    const [latest] = [...guesses]
      .filter(([connection, { buckets }]) => (choices.get(connection) ?? 0) + 1 < buckets)
      .sort(([, one], [, other]) => other.step - one.step);
    if (latest === undefined) break;
    choices.set(latest[0], (choices.get(latest[0]) ?? 0) + 1);
  }
  return { ...transcript, choices };
}

/** Lets a switch in memory do what the real one did, step by step. Where a switch may choose, it is told what the real one chose. */
export function replay(
  transcript: Transcript,
  options: Pick<MemorySwitchOptions, "fault" | "cache"> & { readonly stopAtFirst?: boolean } = {},
): Replay {
  const { changes, ports, steps, choices } = transcript;
  const clock = virtualClock();
  const guesses = new Map<string, Guess>();
  const shown = new Map<string, CompiledBucket>();
  const chooseBucket = ({ group }: CompiledGroup, live: readonly CompiledBucket[], hash: number): CompiledBucket | undefined => {
    const connection = `${group.group}/${hash}`;
    const seen = bucketSeen(live, seenAt(steps, now), memory) ?? shown.get(connection);
    if (seen !== undefined) {
      shown.set(connection, seen);
      return seen;
    }
    if (live.length > 1) guesses.set(connection, { buckets: live.length, step: now });
    return live[choices?.get(connection) ?? 0];
  };
  let now = 0;
  const memory = createMemorySwitch({
    clock,
    random: seededRandom(1),
    ports,
    ...options,
    choose: {
      bucket: chooseBucket,
      nat: (choice) => natSeen(choice, seenAt(steps, now)),
    },
  });
  memory.apply(changes);
  const differences: Difference[] = [];
  for (const [index, step] of steps.entries()) {
    clock.advance(Math.max(0, step.at - clock.monotonic()));
    now = index;
    const before = memory.dumpConnections;
    const processed = memory.process({ inPort: step.port, frame: step.frame }, { trace: false });
    const real = step.emitted.map(describeFrame).sort();
    const ours = processed.outputs.map(describeFrame).sort();
    const note = (theirs: readonly string[], own: readonly string[]): void =>
      void differences.push({ step: index, port: step.port, frame: step.frame, real: theirs, ours: own });
    if (real.join() !== ours.join()) note(real, ours);
    if (step.connections !== undefined) {
      const theirs = [...step.connections].sort();
      const own = before().map(ctTextOf).sort();
      const missing = theirs.filter((line) => !own.includes(line));
      const extra = own.filter((line) => !theirs.includes(line));
      if (missing.length + extra.length > 0) note(missing, extra);
    }
    if (differences.length > 0 && options.stopAtFirst) break;
  }
  return { differences, guesses, memory };
}

/** A difference with the way that the frame took in the switch in memory. */
export function describeDifference(transcript: Transcript, { step, port, frame, real, ours }: Difference): string {
  const before = { ...transcript, steps: transcript.steps.slice(0, step) };
  const { memory } = replay(before);
  const { trace } = memory.process({ inPort: port, frame }, { trace: true });
  return [
    `step ${step}, port ${port}: ${Buffer.from(frame).toString("hex")}`,
    ...real.map((line) => `real ${line}`),
    ...ours.map((line) => `ours ${line}`),
    trace,
  ].join("\n");
}

/** A transcript as text, to be kept; flows and groups in ovs-ofctl's words. {@link parseTranscript} reads it back. */
export function transcriptText({ changes, ports, steps }: Transcript): string {
  const rules = changes.map((change) =>
    "flow" in change ? formatFlow(change.flow) : typeof change.group === "object" ? formatGroup(change.group) : "",
  );
  const lines = steps.map(({ at, port, frame, emitted, connections }) => ({
    at: Math.round(at),
    port,
    frame: Buffer.from(frame).toString("hex"),
    emitted: emitted.map(describeFrame),
    ...(connections === undefined ? {} : { connections }),
  }));
  return `${JSON.stringify({ rules, ports: ports.map(({ number }) => number), steps: lines }, undefined, 1)}\n`;
}

interface TranscriptText {
  readonly rules: readonly string[];
  readonly ports: readonly number[];
  readonly steps: readonly {
    readonly at: number;
    readonly port: number;
    readonly frame: string;
    readonly emitted: readonly string[];
    readonly connections?: readonly string[];
  }[];
}

export function parseTranscript(text: string): Transcript {
  const { rules, ports, steps } = JSON.parse(text) as TranscriptText;
  const bytes = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex, "hex"));
  return {
    changes: rules.map((rule) =>
      rule.startsWith("group_id=") ? { command: "add", group: parseGroup(rule) } : { command: "add", flow: parseFlow(rule) },
    ),
    ports: ports.map((number) => ({ number })),
    steps: steps.map((step) => ({
      ...step,
      frame: bytes(step.frame),
      emitted: step.emitted.map((each) => {
        const [port = "", frame = ""] = each.split(":");
        return { port: Number(port), frame: bytes(frame) };
      }),
    })),
  };
}

const describeFrame = ({ port, frame }: Emitted): string => `${port}:${Buffer.from(frame).toString("hex")}`;

/** What shows a choice of the real switch: frames that left, or else the connection as it was found later. */
interface Seen {
  readonly emitted: readonly Emitted[];
  readonly answer:
    | { readonly source: IpAddress; readonly destination: IpAddress; readonly sourcePort: number; readonly destinationPort: number }
    | undefined;
}

function seenAt(steps: readonly Step[], index: number): Seen {
  const step = steps[index];
  if (step === undefined) return { emitted: [], answer: undefined };
  const packet = decodeFrame(step.frame)?.payload;
  const later = steps.slice(index).find(({ connections }) => connections !== undefined)?.connections;
  if (later === undefined || (packet?.kind !== "ipv4" && packet?.kind !== "ipv6")) return { emitted: step.emitted, answer: undefined };
  const ports = portsOf(packet);
  const original = `orig=(src=${packet.source},dst=${packet.destination},${ports === undefined ? "" : `sport=${ports.source},dport=${ports.destination}`}`;
  const line = later.find((each) => each.includes(original));
  const [, source, destination, sourcePort, destinationPort] =
    /reply=\(src=([^,]+),dst=([^,)]+)(?:,sport=(\d+),dport=(\d+))?/.exec(line ?? "") ?? [];
  if (source === undefined || destination === undefined) return { emitted: step.emitted, answer: undefined };
  return {
    emitted: step.emitted,
    answer: {
      source: parseAddress(source),
      destination: parseAddress(destination),
      sourcePort: Number(sourcePort ?? 0),
      destinationPort: Number(destinationPort ?? 0),
    },
  };
}

/** The bucket whose constants are in a frame that left: an address, a port of the switch. */
function bucketSeen(live: readonly CompiledBucket[], { emitted, answer }: Seen, memory: MemorySwitch): CompiledBucket | undefined {
  const seen = new Set<bigint>(answer === undefined ? [] : [answer.source.value]);
  for (const { port, frame } of emitted) {
    const decoded = decodeFrame(frame);
    seen.add(BigInt(port));
    if (decoded === undefined) continue;
    seen.add(decoded.destination.value);
    if (decoded.payload.kind === "ipv4" || decoded.payload.kind === "ipv6") seen.add(decoded.payload.destination.value);
  }
  return live.find(({ bucket }) => constantsOf(bucket.actions, memory).some((value) => value > 1n && seen.has(value)));
}

/** Values that a bucket writes, itself or by the flows of the table it goes on to which match what it writes. */
function constantsOf(actions: readonly Action[], memory: MemorySwitch): bigint[] {
  const written = actions.flatMap((action) => (action.type === "set_field" ? [action] : []));
  return actions.flatMap((action) => {
    if (action.type === "set_field" || action.type === "load") return [action.value];
    if (action.type === "output") return typeof action.port === "number" ? [BigInt(action.port)] : [];
    if (action.type !== "resubmit" || action.table === undefined) return [];
    const followers = [...(memory.rules.table(action.table)?.entries() ?? [])].filter(({ flow }) =>
      written.some(({ field, value }) => {
        const condition = flow.match[field];
        return value !== 0n && (typeof condition === "bigint" ? condition : condition?.value) === value;
      }),
    );
    return followers.flatMap(({ flow }) => flow.actions.flatMap((each) => (each.type === "set_field" ? [each.value] : [])));
  });
}

function natSeen({ nat, tuple }: NatChoice, { emitted, answer }: Seen): { readonly address: bigint; readonly port: number } {
  for (const { frame } of emitted) {
    const packet = decodeFrame(frame)?.payload;
    if (packet?.kind !== "ipv4" && packet?.kind !== "ipv6") continue;
    const own = nat.kind === "src" ? packet.source : packet.destination;
    const min = nat.addresses?.min ?? own;
    const max = nat.addresses?.max ?? min;
    if (own.family !== min.family || own.value < min.value || own.value > max.value) continue;
    const ports = portsOf(packet);
    const hasPorts = tuple.protocol === 6 || tuple.protocol === 17;
    // Later fragments and errors do not show the port.
    if (hasPorts && ports === undefined) continue;
    const port = nat.kind === "src" ? ports?.source : ports?.destination;
    return {
      address: own.value - min.value,
      port:
        nat.ports === undefined || port === undefined
          ? 0
          : Math.min((nat.ports.max ?? nat.ports.min) - nat.ports.min, Math.max(0, port - nat.ports.min)),
    };
  }
  if (answer === undefined || nat.addresses === undefined) return { address: 0n, port: 0 };
  const own = nat.kind === "src" ? answer.destination : answer.source;
  const port = nat.kind === "src" ? answer.destinationPort : answer.sourcePort;
  const { min, max = min } = nat.addresses;
  const address = own.family === min.family && own.value >= min.value && own.value <= max.value ? own.value - min.value : 0n;
  return {
    address,
    port: nat.ports === undefined ? 0 : Math.min((nat.ports.max ?? nat.ports.min) - nat.ports.min, Math.max(0, port - nat.ports.min)),
  };
}

function portsOf(packet: Ipv4Packet | Ipv6Packet): { readonly source: number; readonly destination: number } | undefined {
  const { payload } = packet;
  if (payload.kind === "tcp" || payload.kind === "udp") return { source: payload.sourcePort, destination: payload.destinationPort };
  const later =
    packet.kind === "ipv4" ? packet.fragmentOffset !== undefined : packet.extensions?.some((each) => each.header === 44 && each.offset > 0);
  if (payload.kind !== "other" || later || payload.bytes.length < 4 || (payload.protocol !== 6 && payload.protocol !== 17))
    return undefined;
  const view = new DataView(payload.bytes.buffer, payload.bytes.byteOffset);
  return { source: view.getUint16(0), destination: view.getUint16(2) };
}
