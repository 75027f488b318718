import type { Duration } from "#lib/runtime/index.ts";
import type { Fault } from "../faults.ts";
import type { Packet } from "../packet.ts";
import { i32, u16 } from "../parse.ts";
import { type TcpPeer, tcpStates } from "./connection.ts";
import { timeouts } from "./timeouts.ts";

const flag = { fin: 1, syn: 2, rst: 4, psh: 8, ack: 16, urg: 32 } as const;
const state = Object.fromEntries(tcpStates.map((name, index) => [name, index])) as Readonly<Record<(typeof tcpStates)[number], number>>;

/** Window scale of an end: said in its SYN, or never seen because the connection is older than we. */
const scale = { said: 0x80, unknown: 0x40, shift: 0x0f, largest: 14 } as const;
/** How far behind or ahead of a window a sequence number may be and still count, in bytes: a window and a bit. */
const slack = 0xffff + 1500;

/** What a segment is for its connection: valid, invalid, part of the opening, or the start of a new connection in place of the old. */
export type TcpVerdict = { readonly kind: "valid" | "opening"; readonly timeout?: Duration } | { readonly kind: "invalid" | "anew" };

interface Segment {
  readonly flags: number;
  readonly sequence: number;
  readonly acknowledgment: number;
  readonly window: number;
  readonly length: number;
  readonly windowScale: number;
}

function readSegment({ bytes, l4, end }: Packet): Segment {
  const header = ((bytes[l4 + 12] as number) >>> 4) * 4;
  return {
    flags: u16(bytes, l4 + 12) & 0xfff,
    sequence: i32(bytes, l4 + 4),
    acknowledgment: i32(bytes, l4 + 8),
    window: u16(bytes, l4 + 14),
    length: end - l4 - header,
    windowScale: readWindowScale(bytes, l4 + 20, header - 20),
  };
}

function readWindowScale(bytes: Uint8Array, start: number, length: number): number {
  let found = 0;
  for (let at = start, left = length; left >= 3; ) {
    const kind = bytes[at];
    if (kind === 0) return found;
    if (kind === 1) {
      at++;
      left--;
      continue;
    }
    if (kind === 3) found = scale.said | Math.min(bytes[at + 2] as number, scale.largest);
    const size = Math.max(2, bytes[at + 1] as number);
    at += size;
    left -= size;
  }
  return found;
}

function impossible(flags: number): boolean {
  if (flags & flag.syn ? flags & (flag.rst | flag.fin) : !(flags & (flag.ack | flag.rst))) return true;
  return !(flags & flag.ack) && (flags & (flag.fin | flag.psh | flag.urg)) !== 0;
}

/** Whether a segment may start a connection: not with impossible flags, and not half open. */
export function mayStart(packet: Packet): boolean {
  const { flags } = readSegment(packet);
  return !impossible(flags) && (flags & (flag.syn | flag.ack)) !== (flag.syn | flag.ack);
}

/** Both ends of a connection that starts with this segment. */
export function startTcp(packet: Packet): [TcpPeer, TcpPeer] {
  const { flags, sequence, length, window, windowScale } = readSegment(packet);
  const syn = (flags & flag.syn) !== 0;
  const scaled = syn ? windowScale : scale.unknown;
  const shift = scaled & scale.shift;
  const largest = Math.max(window, 1);
  return [
    {
      seqLow: sequence,
      seqHigh: (sequence + length + 1 + (syn ? 1 : 0) + (flags & flag.fin ? 1 : 0)) | 0,
      maxWindow: shift > 0 ? Math.ceil(largest / 2 ** shift) : largest,
      windowScale: scaled,
      state: state.SYN_SENT,
    },
    { seqLow: 0, seqHigh: 1, maxWindow: 1, windowScale: syn ? 0 : scale.unknown, state: state.CLOSED },
  ];
}

/** Sequence numbers are compared around the circle. */
const atLeast = (one: number, other: number): boolean => ((one - other) | 0) >= 0;
const above = (one: number, other: number): boolean => ((one - other) | 0) > 0;

/** Follows a connection by one segment of `source`, after van Rooij's method as Open vSwitch has it. */
export function followTcp(packet: Packet, [source, destination]: readonly [TcpPeer, TcpPeer], fault?: Fault): TcpVerdict {
  const segment = readSegment(packet);
  const { flags } = segment;
  if (impossible(flags)) return { kind: "invalid" };
  if ((flags & (flag.syn | flag.ack)) === flag.syn) {
    if (destination.state >= state.FIN_WAIT_2 && source.state >= state.FIN_WAIT_2) {
      source.state = state.CLOSED;
      destination.state = state.CLOSED;
      return { kind: "anew" };
    }
    if (source.state <= state.SYN_SENT) {
      source.state = state.SYN_SENT;
      return { kind: "opening", timeout: timeouts.tcpFirstPacket };
    }
  }
  const place = placeInWindow(segment, source, destination);
  const sound = fault === "sequence numbers are not checked" || isSound(segment, place, source, destination);
  if (!sound && !isForgivable(place, source, destination)) return { kind: "invalid" };
  slideWindows(place, source, destination);
  return sound ? { kind: "valid", timeout: advance(flags, source, destination, fault) } : loosely(flags, source, destination);
}

interface WindowPlace {
  readonly sequence: number;
  readonly end: number;
  readonly acknowledgment: number;
  readonly skew: number;
  /** Without its scale where the segment says the scale. */
  readonly window: number;
  readonly sourceShift: number;
  readonly destinationShift: number;
}

function placeInWindow(segment: Segment, source: TcpPeer, destination: TcpPeer): WindowPlace {
  const { flags, length } = segment;
  const bothSaid = (source.windowScale & destination.windowScale & scale.said) !== 0;
  const bothUnknown = (source.windowScale & destination.windowScale & scale.unknown) !== 0;
  const syn = (flags & flag.syn) !== 0;
  let sourceShift = syn ? 0 : bothSaid ? source.windowScale & scale.shift : bothUnknown ? scale.largest : 0;
  let destinationShift = syn ? 0 : bothSaid ? destination.windowScale & scale.shift : bothUnknown ? scale.largest : 0;
  let { window } = segment;
  const end = (segment.sequence + length + (syn ? 1 : 0) + (flags & flag.fin ? 1 : 0)) | 0;
  let checkSkew = true;
  if (source.state < state.SYN_SENT) {
    // The first segment of this end.
    if (syn && (destination.windowScale & scale.said) !== 0) {
      source.windowScale = segment.windowScale;
      if ((source.windowScale & scale.said) !== 0) {
        sourceShift = source.windowScale & scale.shift;
        window = Math.ceil(window / 2 ** sourceShift);
        destinationShift = destination.windowScale & scale.shift;
      } else {
        destination.maxWindow = (destination.maxWindow << (destination.windowScale & scale.shift)) & 0xffff;
        destination.windowScale = 0;
      }
    }
    source.seqLow = segment.sequence;
    source.state = state.SYN_SENT;
    const high = (end + Math.max(1, destination.maxWindow << destinationShift)) | 0;
    if (source.seqHigh === 1 || atLeast(high, source.seqHigh)) {
      source.seqHigh = high;
      checkSkew = false;
    }
    source.maxWindow = Math.max(source.maxWindow, window);
  }
  const unacknowledged = (flags & flag.ack) === 0;
  const empty = segment.acknowledgment === 0 && (flags & (flag.ack | flag.rst)) === (flag.ack | flag.rst);
  const acknowledgment = unacknowledged || empty ? destination.seqLow : segment.acknowledgment;
  const withoutData = segment.sequence === end;
  return {
    sequence: withoutData ? source.seqLow : segment.sequence,
    end: withoutData ? source.seqLow : end,
    acknowledgment,
    skew: checkSkew ? (destination.seqLow - acknowledgment) | 0 : 0,
    window,
    sourceShift,
    destinationShift,
  };
}

function isSound(segment: Segment, place: WindowPlace, source: TcpPeer, destination: TcpPeer): boolean {
  const oldest = (source.seqLow - (destination.maxWindow << place.destinationShift)) | 0;
  if (!atLeast(source.seqHigh, place.end) || !atLeast(place.sequence, oldest)) return false;
  if (place.skew < -slack || place.skew > slack * 2 ** place.sourceShift) return false;
  // A reset must be exact, give or take one.
  return (segment.flags & flag.rst) === 0 || Math.abs((segment.sequence - source.seqLow) | 0) <= 1;
}

function isForgivable(place: WindowPlace, source: TcpPeer, destination: TcpPeer): boolean {
  const loose = destination.state < state.SYN_SENT || destination.state >= state.FIN_WAIT_2 || source.state >= state.FIN_WAIT_2;
  return loose && atLeast((source.seqHigh + slack) | 0, place.end) && atLeast(place.sequence, (source.seqLow - slack) | 0);
}

function slideWindows(place: WindowPlace, source: TcpPeer, destination: TcpPeer): void {
  const { window } = place;
  source.maxWindow = Math.max(source.maxWindow, window);
  if (above(place.end, source.seqLow)) source.seqLow = place.end;
  const allowed = window << place.sourceShift;
  if (atLeast((place.acknowledgment + allowed) | 0, destination.seqHigh))
    destination.seqHigh = (place.acknowledgment + Math.max(allowed, 1)) | 0;
}

function advance(flags: number, source: TcpPeer, destination: TcpPeer, fault: Fault | undefined): Duration {
  if (flags & flag.syn && source.state < state.SYN_SENT) source.state = state.SYN_SENT;
  if (flags & flag.fin && source.state < state.CLOSING) source.state = state.CLOSING;
  if (flags & flag.ack) {
    if (destination.state === state.SYN_SENT) destination.state = state.ESTABLISHED;
    else if (destination.state === state.CLOSING) destination.state = state.FIN_WAIT_2;
  }
  if (flags & flag.rst && fault !== "reset keeps the connection open") {
    source.state = state.TIME_WAIT;
    destination.state = state.TIME_WAIT;
  }
  const lower = Math.min(source.state, destination.state);
  const higher = Math.max(source.state, destination.state);
  if (lower >= state.FIN_WAIT_2) return timeouts.tcpClosed;
  if (lower >= state.CLOSING) return timeouts.tcpFinWait;
  if (lower < state.ESTABLISHED) return timeouts.tcpOpening;
  return higher >= state.CLOSING ? timeouts.tcpClosing : timeouts.tcpEstablished;
}

/** A segment beside the window at the start or end of a connection counts, but does not keep it alive. */
function loosely(flags: number, source: TcpPeer, destination: TcpPeer): TcpVerdict {
  if (flags & flag.fin && source.state < state.CLOSING) source.state = state.CLOSING;
  if (flags & flag.rst) {
    source.state = state.TIME_WAIT;
    destination.state = state.TIME_WAIT;
  }
  return { kind: "valid" };
}
