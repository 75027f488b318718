import { Reader, type Writer } from "#lib/bytes/index.ts";
import { endMessage, type Message, messageType, niciraMessage, startMessage, startNicira, version } from "./header.ts";

const versionBitmap = 1;

/** Writes a hello that offers OpenFlow 1.5 alone. */
export function writeHello(writer: Writer, xid: number): void {
  const start = startMessage(writer, messageType.hello, xid);
  writer
    .uint16(versionBitmap)
    .uint16(8)
    .uint32(1 << version);
  endMessage(writer, start);
}

/** Whether a hello offers OpenFlow 1.5: by its bitmap of versions, or else by its header. */
export function offersVersion(hello: Message): boolean {
  const reader = new Reader(hello.body);
  while (reader.left >= 4) {
    const type = reader.uint16();
    const length = reader.uint16();
    if (length < 4 || length - 4 > reader.left) break;
    const element = reader.inner(length - 4);
    reader.skip(Math.min((8 - (length % 8)) % 8, reader.left));
    if (type === versionBitmap && element.left >= 4) return (element.uint32() & (1 << version)) !== 0;
  }
  return hello.version >= version;
}

/** What the switch is. */
export interface SwitchFeatures {
  readonly datapathId: bigint;
  /** Tables are 0 … tables − 1. */
  readonly tables: number;
}

/** Reads the body of a features reply. Throws OutOfBytes when it is cut short. */
export function readFeatures(body: Uint8Array): SwitchFeatures {
  const reader = new Reader(body);
  const datapathId = reader.uint64();
  reader.skip(4);
  return { datapathId, tables: reader.uint8() };
}

/** An error as the switch sent it. */
export interface WireError {
  readonly type: number;
  readonly code: number;
  readonly experimenter?: number;
  /** The first bytes of the message it is about, at least 64. */
  readonly about: Uint8Array;
}

const experimenterError = 0xffff;

/** Reads the body of an error. Throws OutOfBytes when it is cut short. */
export function readError(body: Uint8Array): WireError {
  const reader = new Reader(body);
  const type = reader.uint16();
  const code = reader.uint16();
  return type === experimenterError
    ? { type, code, experimenter: reader.uint32(), about: reader.rest() }
    : { type, code, about: reader.rest() };
}

export const roles = ["nochange", "equal", "primary", "secondary"] as const;
export type Role = (typeof roles)[number];

export function writeRole(writer: Writer, role: Role, generation: bigint, xid: number): void {
  const start = startMessage(writer, messageType.roleRequest, xid);
  writer.uint32(roles.indexOf(role)).zeros(4).uint64(generation);
  endMessage(writer, start);
}

/** Which of the messages that nobody asked for the switch sends here. */
export interface AsyncMessages {
  readonly packetIns: boolean;
  readonly portStatus: boolean;
  readonly flowRemoved: boolean;
  /** Changes of groups and meters that other controllers made. Default not. */
  readonly requestForwards?: boolean;
}

/** `OFPACPT_*` of the secondary role; the other roles' is one more. */
const asyncProperty = { packetIn: 0, portStatus: 2, flowRemoved: 4, requestForward: 10 } as const;

/** Writes set-config and set-async: on a management socket the switch sends nothing unasked until both were set (Open vSwitch `topics/design`). */
export function writeAsync(writer: Writer, wanted: AsyncMessages, xid: number): void {
  const config = startMessage(writer, messageType.setConfig, xid);
  writer.uint16(0).uint16(wanted.packetIns || wanted.portStatus || wanted.flowRemoved || wanted.requestForwards === true ? 0xffff : 0);
  endMessage(writer, config);
  const start = startMessage(writer, messageType.setAsync, xid);
  // Reasons by bit; each property has one for the secondary role (even) and one for the others (odd).
  const masks = [
    [asyncProperty.packetIn, wanted.packetIns ? 0x3f : 0],
    [asyncProperty.portStatus, wanted.portStatus ? 0x7 : 0],
    [asyncProperty.flowRemoved, wanted.flowRemoved ? 0x3f : 0],
    [asyncProperty.requestForward, wanted.requestForwards === true ? 0x3 : 0],
  ] as const;
  for (const [property, mask] of masks)
    for (const secondary of [0, 1])
      writer
        .uint16(property + secondary)
        .uint16(8)
        .uint32(mask);
  endMessage(writer, start);
}

const packetIn2Format = 2;

/** Asks for packet-ins as NXT_PACKET_IN2, the form that carries user data and continuations. */
export function writePacketInFormat(writer: Writer, xid: number): void {
  const start = startNicira(writer, niciraMessage.setPacketInFormat, xid);
  writer.uint32(packetIn2Format);
  endMessage(writer, start);
}

/** Sets the id by which `controller(id=…)` addresses this connection, 0 … 65535. */
export function writeControllerId(writer: Writer, id: number, xid: number): void {
  const start = startNicira(writer, niciraMessage.setControllerId, xid);
  writer.zeros(6).uint16(id);
  endMessage(writer, start);
}

/** One row of the switch's table statistics. */
export interface TableStats {
  readonly table: number;
  readonly flows: number;
  readonly lookups: bigint;
  readonly matches: bigint;
}

/** Reads the entries of one part of a table report (OFPMP_TABLE_STATS). Throws OutOfBytes when they are cut short. */
export function readTables(bytes: Uint8Array): TableStats[] {
  const reader = new Reader(bytes);
  const tables: TableStats[] = [];
  while (reader.left > 0) {
    const table = reader.uint8();
    reader.skip(3);
    tables.push({ table, flows: reader.uint32(), lookups: reader.uint64(), matches: reader.uint64() });
  }
  return tables;
}
