import { Writer } from "#lib/bytes/index.ts";
import type { IpAddress } from "#lib/ip/index.ts";
import { endMessage, niciraMessage, startNicira } from "./header.ts";

/**
 * Which connections to forget; all that is given must agree. At least a zone or one part of a tuple. The tuple that stands here is that of the connection's
 * first packet, `reply` that of an answer, after translation.
 */
export interface FlushedConnections extends FlushedTuple {
  readonly zone?: number;
  /** IP protocol number; needed for ports. */
  readonly protocol?: number;
  readonly reply?: FlushedTuple;
}

interface FlushedTuple {
  readonly source?: IpAddress;
  readonly destination?: IpAddress;
  readonly sourcePort?: number;
  readonly destinationPort?: number;
}

const outer = { original: 0, reply: 1, zone: 2 } as const;
const tuple = { source: 0, destination: 1, sourcePort: 2, destinationPort: 3 } as const;

/** Writes NXT_CT_FLUSH_ZONE: every connection of a zone. */
export function writeFlushZone(writer: Writer, zone: number, xid: number): void {
  const start = startNicira(writer, niciraMessage.flushZone, xid);
  writer.zeros(6).uint16(zone);
  endMessage(writer, start);
}

/** Writes NXT_CT_FLUSH (Open vSwitch ≥ 3.1): connections by their tuple. */
export function writeFlush(writer: Writer, which: FlushedConnections, xid: number): void {
  const start = startNicira(writer, niciraMessage.flush, xid);
  writer.uint8(which.protocol ?? 0).zeros(7);
  writeTuple(writer, outer.original, which);
  if (which.reply !== undefined) writeTuple(writer, outer.reply, which.reply);
  const { zone } = which;
  if (zone !== undefined) property(writer, outer.zone, () => writer.uint16(zone));
  endMessage(writer, start);
}

function writeTuple(writer: Writer, type: number, of: FlushedTuple): void {
  const inner = new Writer();
  const address = (part: number, value: IpAddress | undefined): void => {
    if (value !== undefined) property(inner, part, () => inner.bytes(mapped(value)));
  };
  const port = (part: number, value: number | undefined): void => {
    if (value !== undefined) property(inner, part, () => inner.uint16(value));
  };
  address(tuple.source, of.source);
  address(tuple.destination, of.destination);
  port(tuple.sourcePort, of.sourcePort);
  port(tuple.destinationPort, of.destinationPort);
  // A property that holds properties starts them at eight bytes.
  if (inner.length > 0) property(writer, type, () => writer.zeros(4).bytes(inner.result()));
}

function property(writer: Writer, type: number, write: () => void): void {
  const at = writer.length;
  writer.uint16(type).uint16(0);
  write();
  writer.patchUint16(at + 2, writer.length - at).align(8, at);
}

/** 16 bytes: IPv4 as ::ffff:a.b.c.d. */
function mapped(address: IpAddress): Uint8Array {
  if (address.family === 6) return address.bytes();
  return Uint8Array.from([...new Uint8Array(10), 0xff, 0xff, ...address.bytes()]);
}
