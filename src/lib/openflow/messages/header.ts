import { Reader, type Writer } from "#lib/bytes/index.ts";
import { UnencodableFlow } from "../errors.ts";
import { experimenters } from "../fields.ts";

/** OpenFlow 1.5 on the wire. */
export const version = 0x06;

/** `OFPT_*` of OpenFlow 1.5 §7.1. */
export const messageType = {
  hello: 0,
  error: 1,
  echoRequest: 2,
  echoReply: 3,
  experimenter: 4,
  featuresRequest: 5,
  featuresReply: 6,
  setConfig: 9,
  packetIn: 10,
  flowRemoved: 11,
  portStatus: 12,
  packetOut: 13,
  flowMod: 14,
  groupMod: 15,
  multipartRequest: 18,
  multipartReply: 19,
  barrierRequest: 20,
  barrierReply: 21,
  roleRequest: 24,
  roleReply: 25,
  setAsync: 28,
  meterMod: 29,
  requestForward: 32,
  bundleControl: 33,
  bundleAdd: 34,
} as const;

/** `OFPMP_*` of OpenFlow 1.5 §7.3.5. */
export const multipartType = {
  flowDesc: 1,
  aggregate: 2,
  table: 3,
  groupDesc: 7,
  meterConfig: 10,
  meterFeatures: 11,
  portDesc: 13,
  flowMonitor: 16,
} as const;

/** `NXT_*`: Nicira's messages that Open vSwitch understands (ofp-msgs.h). */
export const niciraMessage = { setPacketInFormat: 16, setControllerId: 20, resume: 28, flushZone: 29, packetIn2: 30, flush: 32 } as const;

export const headerBytes = 8;
/** Of a message of Nicira's: with experimenter and subtype. */
export const niciraHeaderBytes = 16;

/** One message as it came. */
export interface Message {
  readonly version: number;
  readonly type: number;
  readonly xid: number;
  /** Without the header. Shares memory with what was received. */
  readonly body: Uint8Array;
}

/** Writes a header whose length {@link endMessage} fills in. Returns where the message starts. */
export function startMessage(writer: Writer, type: number, xid: number): number {
  const start = writer.length;
  writer.uint8(version).uint8(type).uint16(0).uint32(xid);
  return start;
}

/** Fills in the length. Throws {@link UnencodableFlow} when the message is longer than its 16 bits can say. */
export function endMessage(writer: Writer, start: number): void {
  const length = writer.length - start;
  if (length > 0xffff) throw new UnencodableFlow("message", `takes ${length} bytes, more than the 65535 an OpenFlow message may have`);
  writer.patchUint16(start + 2, length);
}

/** Writes a message without a body. */
export function emptyMessage(writer: Writer, type: number, xid: number): void {
  endMessage(writer, startMessage(writer, type, xid));
}

/** Starts a multipart request. */
export function startMultipart(writer: Writer, type: number, xid: number): number {
  const start = startMessage(writer, messageType.multipartRequest, xid);
  writer.uint16(type).uint16(0).zeros(4);
  return start;
}

/** Starts a message of Nicira's. */
export function startNicira(writer: Writer, subtype: number, xid: number): number {
  const start = startMessage(writer, messageType.experimenter, xid);
  writer.uint32(experimenters.nicira).uint32(subtype);
  return start;
}

/** The parts of a multipart reply's body. Throws OutOfBytes when it is cut short. */
export function readMultipart(body: Uint8Array): { readonly type: number; readonly more: boolean; readonly entries: Uint8Array } {
  const reader = new Reader(body);
  const type = reader.uint16();
  const flags = reader.uint16();
  reader.skip(4);
  return { type, more: (flags & 1) !== 0, entries: reader.rest() };
}

/** The body of a message of Nicira's; undefined for another experimenter's. */
export function readNicira(body: Uint8Array): { readonly subtype: number; readonly rest: Uint8Array } | undefined {
  if (body.length < 8) return undefined;
  const reader = new Reader(body);
  return reader.uint32() === experimenters.nicira ? { subtype: reader.uint32(), rest: reader.rest() } : undefined;
}
