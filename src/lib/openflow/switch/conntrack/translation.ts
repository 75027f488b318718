import type { Nat } from "../../action.ts";
import type { Fault } from "../faults.ts";
import type { Packet } from "../packet.ts";
import { protocols } from "../parse.ts";
import { icmpv6Checksum, put16, setIpv4Address, setIpv6Address, setPorts } from "../rewrite.ts";
import { internetChecksum } from "#lib/bytes/index.ts";
import { addressWords, type Connection, type Endpoint, type Translation, type Tuple, reversed } from "./connection.ts";
import { innerHeaders } from "./tuple.ts";

/** Which address and port a translation takes, where it may choose. */
export interface NatChoice {
  /** How many addresses and ports there are; at least 1 each. */
  readonly addresses: bigint;
  readonly ports: number;
  readonly tuple: Tuple;
  readonly nat: Nat;
}

/** Chooses the address and the first port to try, as offsets into the ranges. */
export type ChooseNat = (choice: NatChoice) => { readonly address: bigint; readonly port: number };

const ephemeral = { min: 1024, max: 65_535 } as const;
/** Ports tried before a translation is given up. */
const mostAttempts = 65_535;

/**
 * The reverse tuple under which a new translated connection's answers come: unique among those for which `taken` is true. Undefined when
 * there is none left. Without a port range the sender's port is kept where possible, else one of its class is taken.
 */
export function translatedReverse(options: {
  readonly tuple: Tuple;
  readonly nat: Nat & { readonly kind: "src" | "dst" };
  readonly choose: ChooseNat;
  readonly taken: (reverse: Tuple) => boolean;
  readonly fault?: Fault | undefined;
}): Tuple | undefined {
  const { tuple, nat, choose, taken, fault } = options;
  const { addresses } = nat;
  const ranges = fault === "translation keeps ports" ? undefined : nat.ports;
  const portRange = ranges === undefined ? undefined : { min: ranges.min, max: ranges.max ?? ranges.min };
  const addressCount = addresses?.max === undefined ? 1n : addresses.max.value - addresses.min.value + 1n;
  const chosen = choose({
    addresses: addressCount < 1n ? 1n : addressCount,
    ports: portRange === undefined ? 1 : portRange.max - portRange.min + 1,
    tuple,
    nat,
  });
  const own = nat.kind === "src" ? tuple.source : tuple.destination;
  const words = addresses === undefined ? own.words : addressWords(addresses.min.plus(chosen.address));
  const mirror = reversed(tuple);
  const target = (port: number): Endpoint => ({ ...own, words, port });
  const reverseOf = (port: number, clientPort: number): Tuple =>
    nat.kind === "src"
      ? { ...mirror, destination: target(port) }
      : { ...mirror, source: target(port), destination: { ...mirror.destination, port: clientPort } };
  const hasPorts = tuple.protocol === protocols.tcp || tuple.protocol === protocols.udp;
  if (!hasPorts) {
    const only = reverseOf(own.port, tuple.source.port);
    return taken(only) ? undefined : only;
  }
  if (nat.kind === "src") {
    const range = portRange ?? classOf(tuple.source.port);
    const first = portRange === undefined ? tuple.source.port : portRange.min + chosen.port;
    return firstFree(range, first, (port) => reverseOf(port, tuple.source.port), taken);
  }
  const first = portRange === undefined ? tuple.destination.port : portRange.min + chosen.port;
  const byTarget = portRange === undefined ? undefined : firstFree(portRange, first, (port) => reverseOf(port, tuple.source.port), taken);
  return byTarget ?? firstFree(classOf(tuple.source.port), tuple.source.port, (port) => reverseOf(first, port), taken);
}

interface PortRange {
  readonly min: number;
  readonly max: number;
}

function classOf(port: number): PortRange {
  if (port < 512) return { min: 1, max: 511 };
  return port < 1024 ? { min: 600, max: 1023 } : ephemeral;
}

function firstFree(
  { min, max }: PortRange,
  first: number,
  reverseOf: (port: number) => Tuple,
  taken: (reverse: Tuple) => boolean,
): Tuple | undefined {
  const attempts = Math.min(max - min + 1, mostAttempts);
  for (let index = 0, port = first; index < attempts; index++, port = port >= max || port < min ? min : port + 1) {
    const reverse = reverseOf(port);
    if (!taken(reverse)) return reverse;
  }
  return undefined;
}

export const translationOf = (nat: Nat | undefined): Translation => nat?.kind ?? "none";

/** Bits of ct_state that a translation leaves. */
export const natState = { src: 0x40, dst: 0x80 } as const;

/** Writes a connection's translation into a packet of it, and into the packet inside an ICMP error. */
export function translate(packet: Packet, connection: Connection, options: { readonly reply: boolean; readonly related: boolean }): void {
  const { reply, related } = options;
  const to = reply ? connection.key : connection.reverse;
  const side = reply ? (connection.translation === "src" ? "dst" : "src") : connection.translation;
  if (side === "none") return;
  packet.ctState |= natState[side];
  packet.fresh();
  setAddress(packet, packet.l3, to, side);
  if (related) translateInner(packet, reversed(to), side === "src" ? "dst" : "src");
  else if (to.protocol === protocols.tcp || to.protocol === protocols.udp)
    setPorts(packet, to.protocol, to.destination.port, to.source.port);
  packet.stale = true;
}

function setAddress(packet: Packet, at: number, to: Tuple, side: "src" | "dst", inner?: { readonly l4: number }): void {
  const words = side === "src" ? to.destination.words : to.source.words;
  const name = side === "src" ? "source" : "destination";
  const l4 = inner?.l4 ?? packet.l4;
  if (to.family === 4) setIpv4Address(packet, at, name, words[0] ?? 0, { l4, end: packet.end });
  else setIpv6Address(packet, at, name, words, { protocol: to.protocol, covered: true, l4, end: packet.end });
}

function translateInner(packet: Packet, to: Tuple, side: "src" | "dst"): void {
  const inner = innerHeaders(packet, to.family);
  if (inner === undefined) return;
  if (to.protocol === protocols.tcp || to.protocol === protocols.udp)
    setPorts(packet, to.protocol, to.destination.port, to.source.port, { l4: inner.l4, end: packet.end, inner: true });
  setAddress(packet, inner.l3, to, side, inner);
  const bytes = packet.own();
  const { l4, l3, end } = packet;
  put16(bytes, l4 + 2, 0);
  put16(bytes, l4 + 2, to.family === 4 ? internetChecksum(bytes.subarray(l4, end)) : icmpv6Checksum(bytes, l3, l4, end));
}
