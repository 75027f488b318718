import type { IpAddress } from "#lib/ip/index.ts";
import { type Clock, type Random, seconds } from "#lib/runtime/index.ts";
import type { Nat } from "../../action.ts";
import type { FlushedConnections } from "../../messages/conntrack.ts";
import type { Fault } from "../faults.ts";
import { noLabel, type Packet } from "../packet.ts";
import { protocols } from "../parse.ts";
import { addressWords, type Connection, endpointAddress, reversed, type TcpState, tcpStates, type Tuple, tupleText } from "./connection.ts";
import { createReassembly, followWhole } from "./fragments.ts";
import { followTcp, mayStart, startTcp } from "./tcp.ts";
import { timeouts } from "./timeouts.ts";
import { type ChooseNat, natState, translate, translatedReverse, translationOf } from "./translation.ts";
import { tupleOf } from "./tuple.ts";

/** Bits of ct_state (ovs-fields(7)). */
export const ctState = { new: 1, est: 2, rel: 4, rpl: 8, inv: 16, trk: 32 } as const;

/** What a `ct` action asks of the tracker. */
export interface TrackOptions {
  readonly zone: number;
  readonly commit?: boolean;
  readonly force?: boolean;
  readonly nat?: Nat | undefined;
  readonly mark?: { readonly value: number; readonly mask: number } | undefined;
  readonly label?: { readonly value: readonly number[]; readonly mask: readonly number[] } | undefined;
  /** Which recirculation asks: fragments of different ones are kept apart. */
  readonly pass: number;
}

/** A side of a tracked connection as its packets have it. */
export interface TrackedSide {
  readonly source: IpAddress;
  readonly destination: IpAddress;
  /** Ports; for ICMP the identifier in both. */
  readonly sourcePort: number;
  readonly destinationPort: number;
}

/** A tracked connection as it is reported. */
export interface TrackedConnection {
  readonly zone: number;
  readonly protocol: number;
  readonly original: TrackedSide;
  readonly reply: TrackedSide;
  readonly mark: number;
  readonly label: bigint;
  /** Seconds until it is forgotten. */
  readonly timeout: number;
  readonly tcp?: { readonly original: TcpState; readonly reply: TcpState };
  /** ICMP types of query and answer. */
  readonly icmp?: { readonly type: number; readonly replyType: number };
}

export interface ConnectionTracker {
  /** Tracks a packet; the packets that go on are returned: none while a fragment waits for others, all when the last came. */
  track(packet: Packet, options: TrackOptions): readonly Packet[];
  dump(): TrackedConnection[];
  flush(which: FlushedConnections): void;
}

/** A connection by one of its tuples. Translation can give two the same: the newer is found, the older again when it is gone. */
interface Known {
  readonly connection: Connection;
  readonly reply: boolean;
  readonly older: Known | undefined;
}

function without(known: Known | undefined, connection: Connection): Known | undefined {
  if (known === undefined) return undefined;
  const older = without(known.older, connection);
  return known.connection === connection ? older : { ...known, older };
}

/** How often the userspace datapath lets go of what is over. */
const sweepInterval = seconds(20);
/** Connections kept at most, as by ovs-vswitchd. */
const mostConnections = 3_000_000;

/** A connection tracker that behaves as the userspace datapath's. */
export function createTracker(options: {
  clock: Clock;
  random: Random;
  choose?: ChooseNat | undefined;
  fault?: Fault | undefined;
}): ConnectionTracker {
  const { clock, random, fault } = options;
  const choose: ChooseNat =
    options.choose ??
    (({ addresses, ports }) => ({
      address: BigInt(random.below(Number(addresses < 0xffffn ? addresses : 0xffffn))),
      port: random.below(ports),
    }));
  const known = new Map<string, Known>();
  const connections = new Set<Connection>();
  const reassembly = createReassembly();
  /**
   * Answers' tuples of translated connections that were ended before their time: the datapath lets go of them when it sweeps. Until then they
   * are taken, and packets that have them are invalid.
   */
  const ghosts = new Map<string, number>();
  const end = (connection: Connection): void => {
    remove(connection);
    if (connection.translation !== "none") ghosts.set(tupleText(connection.reverse), clock.monotonic() + sweepInterval);
  };
  const isGhost = (tuple: Tuple): boolean => {
    const text = tupleText(tuple);
    const until = ghosts.get(text);
    if (until === undefined) return false;
    if (clock.monotonic() < until) return true;
    ghosts.delete(text);
    return false;
  };

  const remove = (connection: Connection): void => {
    connections.delete(connection);
    for (const tuple of [connection.key, connection.reverse]) {
      const text = tupleText(tuple);
      const left = without(known.get(text), connection);
      if (left === undefined) known.delete(text);
      else known.set(text, left);
    }
  };
  const find = (tuple: Tuple): { readonly connection: Connection; readonly reply: boolean } | undefined => {
    const text = tupleText(tuple);
    for (let found = known.get(text); found !== undefined; found = known.get(text)) {
      if (clock.monotonic() < found.connection.expires) return found;
      remove(found.connection);
    }
    return undefined;
  };
  const add = (connection: Connection): void => {
    connections.add(connection);
    for (const [tuple, reply] of [[connection.reverse, true] as const, [connection.key, false] as const]) {
      const text = tupleText(tuple);
      known.set(text, { connection, reply, older: known.get(text) });
    }
  };
  const sweep = (): void => {
    const now = clock.monotonic();
    for (const connection of [...connections]) if (now >= connection.expires) remove(connection);
  };

  /** The connection that a packet is of; an already translated one is found by what it would be answered with. */
  const lookup = (
    packet: Packet,
    tuple: Tuple,
    translates: boolean,
  ): { tuple: Tuple; connection: Connection | undefined; reply: boolean } => {
    if ((packet.ctState & (natState.src | natState.dst)) === 0) {
      const found = find(tuple);
      return { tuple, connection: found?.connection, reply: found?.reply ?? false };
    }
    const found = find(reversed(tuple));
    if (found === undefined) return { tuple, connection: translates ? undefined : originallyTracked(packet, tuple), reply: false };
    const reply = !found.reply;
    return { tuple: reply ? found.connection.reverse : found.connection.key, connection: found.connection, reply };
  };
  const originallyTracked = (packet: Packet, tuple: Tuple): Connection | undefined => {
    const original = packet.ctTuple;
    if (original === undefined || original.protocol === 0) return undefined;
    return find({ ...tuple, protocol: original.protocol, source: original.source, destination: original.destination, zone: packet.ctZone })
      ?.connection;
  };

  const start = (packet: Packet, tuple: Tuple, request: TrackOptions): Connection | undefined => {
    if (!startsConnection(packet, tuple)) {
      packet.ctState = ctState.inv;
      return undefined;
    }
    packet.ctState = ctState.new;
    if (!request.commit || connections.size >= mostConnections || fault === "commit does not remember") return undefined;
    const { nat } = request;
    const kind = nat?.kind;
    const reverse =
      nat === undefined || kind === undefined
        ? reversed(tuple)
        : translatedReverse({ tuple, nat: { ...nat, kind }, choose, taken: (each) => find(each) !== undefined || isGhost(each), fault });
    if (reverse === undefined) return undefined;
    const connection: Connection = {
      key: tuple,
      reverse,
      translation: translationOf(nat),
      mark: 0,
      label: noLabel,
      expires: clock.monotonic() + firstTimeout(tuple),
      progress: "first",
      ...(tuple.protocol === protocols.tcp ? { tcp: startTcp(packet) } : {}),
    };
    add(connection);
    translate(packet, connection, { reply: false, related: false });
    return connection;
  };

  /** Brings the connection up to date with a packet of it. True when the packet starts a new connection in its place. */
  const follow = (packet: Packet, connection: Connection, seen: { reply: boolean; related: boolean }): boolean => {
    const reply = seen.reply && fault !== "replies look like originals";
    if (seen.related) {
      packet.ctState |= ctState.rel | (reply ? ctState.rpl : 0);
      return false;
    }
    const verdict = progress(packet, connection, seen.reply, fault);
    if ((verdict.kind === "valid" || verdict.kind === "opening") && verdict.timeout !== undefined)
      connection.expires = clock.monotonic() + verdict.timeout;
    if (verdict.kind === "valid") packet.ctState = ((packet.ctState | ctState.est) & ~ctState.new) | (reply ? ctState.rpl : 0);
    else if (verdict.kind === "opening") packet.ctState |= ctState.new;
    else if (verdict.kind === "invalid") packet.ctState = ctState.inv;
    else end(connection);
    return verdict.kind === "anew";
  };

  const undoTranslation = (
    packet: Packet,
    connection: Connection,
    { zone, reply, related }: { zone: number; reply: boolean; related: boolean },
  ): void => {
    const done = packet.ctState & (natState.src | natState.dst);
    if (connection.translation === "none" || (done !== 0 && zone === packet.ctZone)) return;
    if (fault === "translation is not undone" && reply) return;
    packet.ctState &= ~(natState.src | natState.dst);
    translate(packet, connection, { reply, related });
  };

  const store = (packet: Packet, connection: Connection, { mark, label }: TrackOptions): void => {
    if (mark !== undefined && fault !== "mark is not stored") {
      packet.ctMark = mark.value | (packet.ctMark & ~mark.mask);
      connection.mark = packet.ctMark;
    }
    if (label !== undefined && fault !== "label is not stored") {
      packet.ctLabel = label.value.map((value, index) => value | ((packet.ctLabel[index] ?? 0) & ~(label.mask[index] ?? 0)));
      connection.label = packet.ctLabel;
    }
  };

  const describe = (packet: Packet, options: { zone: number; connection?: Connection | undefined; tuple?: Tuple | undefined }): void => {
    const { zone, connection, tuple } = options;
    packet.ctState |= ctState.trk;
    packet.ctZone = zone;
    packet.ctMark = connection?.mark ?? 0;
    packet.ctLabel = connection?.label ?? noLabel;
    packet.ctTuple = connection?.key ?? tuple;
  };

  const trackWhole = (packet: Packet, request: TrackOptions, refused: boolean): void => {
    const zone = fault === "zones are one" ? 0 : request.zone;
    const cached = packet.connection;
    if (refused) {
      packet.ctState = ctState.inv;
      describe(packet, { zone });
      return;
    }
    if (cached !== undefined && cached.key.zone === zone && !request.force) {
      // The same packet again: its connection has counted it already.
      if (request.nat !== undefined) {
        undoTranslation(packet, cached, { zone, reply: packet.reply, related: packet.related });
        packet.connection = undefined;
      }
      packet.ctZone = zone;
      packet.ctMark = cached.mark;
      packet.ctLabel = cached.label;
      store(packet, cached, request);
      return;
    }
    const tracked = tupleOf(packet, { zone, verify: fault !== "checksums are not verified" });
    if (tracked === undefined || (fault === "related errors are invalid" && tracked.related)) {
      packet.ctState = ctState.inv;
      describe(packet, { zone });
      return;
    }
    if (packet.ctState !== 0 && packet.ctZone !== zone) packet.ctState = 0;
    const found = lookup(packet, tracked.tuple, request.nat !== undefined);
    const { related } = tracked;
    let { connection } = found;
    const { reply, tuple } = found;
    if (request.force && reply && connection !== undefined) {
      end(connection);
      connection = undefined;
    }
    if (connection === undefined && isGhost(tracked.tuple)) {
      packet.ctState |= ctState.inv;
      describe(packet, { zone });
      return;
    }
    let anew = false;
    if (connection !== undefined) {
      anew = follow(packet, connection, { reply, related });
      if (request.nat !== undefined && !anew) undoTranslation(packet, connection, { zone, reply, related });
    } else if (related) packet.ctState = ctState.inv;
    else anew = true;
    if (anew && find(tuple) === undefined) connection = start(packet, tuple, request);
    describe(packet, { zone, connection, tuple });
    if (connection !== undefined) store(packet, connection, request);
    packet.connection = request.nat === undefined ? connection : undefined;
    packet.reply = reply;
    packet.related = related;
  };

  return {
    track(packet, request) {
      const now = clock.monotonic();
      const fragmentation =
        fault === "fragments pass at once"
          ? ({ kind: "whole", refused: false } as const)
          : reassembly.take(packet, { zone: request.zone, pass: request.pass, now });
      const gone: Packet[] = [];
      if (fragmentation.kind === "whole") {
        trackWhole(packet, request, fragmentation.refused);
        gone.push(packet);
      } else if (fragmentation.kind === "complete") {
        const { whole, pieces } = fragmentation;
        trackWhole(whole, request, false);
        whole.fresh();
        for (const [index, piece] of pieces.entries()) followWhole(piece, whole, index === 0);
        gone.push(...pieces);
      }
      for (const piece of reassembly.expired(now)) {
        piece.ctState = ctState.inv;
        gone.push(piece);
      }
      return gone;
    },
    dump() {
      sweep();
      return [...connections].map((connection) => report(connection, clock.monotonic()));
    },
    flush(which) {
      for (const connection of [...connections]) if (isMeant(connection, which)) remove(connection);
    },
  };
}

/** Whether a packet that belongs to nothing known may start a connection. */
function startsConnection(packet: Packet, { protocol, family, source }: Tuple): boolean {
  if (protocol === protocols.tcp) return mayStart(packet);
  if (family === 4 && protocol === protocols.icmp) return source.type === 8 || source.type === 13 || source.type === 15;
  return family === 4 || protocol !== protocols.icmpv6 || source.type === 128;
}

function firstTimeout({ protocol, family }: Tuple): number {
  if (protocol === protocols.tcp) return timeouts.tcpFirstPacket;
  return isIcmp(protocol, family) ? timeouts.icmpFirst : timeouts.otherFirst;
}

const isIcmp = (protocol: number, family: 4 | 6): boolean => protocol === (family === 4 ? protocols.icmp : protocols.icmpv6);

function progress(packet: Packet, connection: Connection, reply: boolean, fault: Fault | undefined): ReturnType<typeof followTcp> {
  const { key, tcp } = connection;
  if (tcp !== undefined) return followTcp(packet, reply ? [tcp[1], tcp[0]] : tcp, fault);
  if (isIcmp(key.protocol, key.family)) {
    const opening = connection.progress === "first" && !reply;
    if (reply) connection.progress = "both";
    return { kind: opening ? "opening" : "valid", timeout: connection.progress === "first" ? timeouts.icmpFirst : timeouts.icmpReply };
  }
  if (reply) connection.progress = "both";
  else if (connection.progress === "first") connection.progress = "multiple";
  const both = connection.progress === "both";
  return { kind: both ? "valid" : "opening", timeout: both ? timeouts.otherBoth : timeouts.otherMultiple };
}

function report({ key, reverse, mark, label, expires, tcp }: Connection, now: number): TrackedConnection {
  const side = ({ source, destination }: Tuple): TrackedSide => ({
    source: endpointAddress(source),
    destination: endpointAddress(destination),
    sourcePort: source.port,
    destinationPort: destination.port,
  });
  const nameOf = (state: number): TcpState => tcpStates[state] ?? "CLOSED";
  return {
    zone: key.zone,
    protocol: key.protocol,
    original: side(key),
    reply: side(reverse),
    mark: mark >>> 0,
    label: label.reduce((value, word) => (value << 32n) | BigInt(word >>> 0), 0n),
    timeout: Math.max(0, Math.ceil((expires - now) / 1000)),
    ...(isIcmp(key.protocol, key.family) ? { icmp: { type: key.source.type, replyType: key.destination.type } } : {}),
    ...(tcp === undefined ? {} : { tcp: { original: nameOf(tcp[0].state), reply: nameOf(tcp[1].state) } }),
  };
}

function isMeant({ key, reverse }: Connection, which: FlushedConnections): boolean {
  const agrees = ({ source, destination }: Tuple, wanted: NonNullable<FlushedConnections["reply"]>): boolean =>
    (wanted.sourcePort === undefined || wanted.sourcePort === source.port) &&
    (wanted.destinationPort === undefined || wanted.destinationPort === destination.port) &&
    sameAddress(source.words, wanted.source) &&
    sameAddress(destination.words, wanted.destination);
  return (
    (which.zone === undefined || which.zone === key.zone) &&
    (which.protocol === undefined || which.protocol === key.protocol) &&
    agrees(key, which) &&
    agrees(reverse, which.reply ?? {})
  );
}

const sameAddress = (words: readonly number[], address: IpAddress | undefined): boolean =>
  address === undefined || addressWords(address).join() === words.join();
