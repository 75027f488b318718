import { Reader, type Writer } from "#lib/bytes/index.ts";
import type { Action, PacketInReason } from "../action.ts";
import { writeActions } from "../actions/index.ts";
import { compact } from "../actions/codec.ts";
import { packetInReasons } from "../actions/output.ts";
import type { Match } from "../match.ts";
import { readFields, readMatch, writeFields, writeMatch } from "../oxm.ts";
import { type PortNumber, portToWire } from "../port.ts";
import { noBuffer } from "./flow-mod.ts";
import { endMessage, messageType, niciraMessage, startMessage, startNicira } from "./header.ts";

/** A packet that the switch hands to the controller. */
export interface PacketIn {
  /** The Ethernet frame, possibly cut (see {@link fullLength}). */
  readonly packet: Uint8Array;
  /** Bytes of the whole frame. */
  readonly fullLength: number;
  readonly table?: number;
  readonly cookie?: bigint;
  readonly reason?: PacketInReason;
  /** in_port, registers, tunnel and conntrack state as they were. */
  readonly metadata: Match;
  /** What the `controller` action carried. */
  readonly userdata?: Uint8Array;
  /** Present when the pipeline waits: hand the packet-in to `resume` to let it go on. Opaque. */
  readonly continuation?: Uint8Array;
  /** Of one that waits: as the switch told it, so that `resume` sends the same back where nothing was changed. Opaque. */
  readonly received?: ReceivedPacketIn;
}

interface ReceivedPacketIn extends Pick<PacketIn, "packet" | "metadata"> {
  readonly properties: Uint8Array;
}

/** A packet that the controller sends. */
export interface PacketOut {
  readonly packet: Uint8Array;
  /** Default CONTROLLER. */
  readonly inPort?: PortNumber;
  /** Further metadata the packet starts with: registers, tunnel. */
  readonly metadata?: Match;
  readonly actions: readonly Action[];
}

const property = {
  packet: 0,
  fullLength: 1,
  bufferId: 2,
  table: 3,
  cookie: 4,
  reason: 5,
  metadata: 6,
  userdata: 7,
  continuation: 8,
} as const;

/** Reads the body of a standard packet-in (OpenFlow 1.5 §7.4.1). Throws OutOfBytes when it is cut short. */
export function readPacketIn(body: Uint8Array): PacketIn {
  const reader = new Reader(body);
  reader.skip(4);
  const fullLength = reader.uint16();
  const reason = packetInReasons[reader.uint8()];
  const table = reader.uint8();
  const cookie = reader.uint64();
  const { match } = readMatch(reader);
  reader.skip(2);
  return compact<PacketIn>({ packet: reader.rest().slice(), fullLength, table, cookie, reason, metadata: match });
}

/** Reads what follows the subtype of NXT_PACKET_IN2: properties. Throws OutOfBytes when they are cut short. */
export function readPacketIn2(bytes: Uint8Array): PacketIn {
  // Copied once: what is read of it are views.
  const properties = bytes.slice();
  const reader = new Reader(properties);
  let packet: Uint8Array = new Uint8Array(0);
  let fullLength: number | undefined;
  let metadata: Match = {};
  let table: number | undefined;
  let cookie: bigint | undefined;
  let reason: PacketInReason | undefined;
  let userdata: Uint8Array | undefined;
  let continuation: Uint8Array | undefined;
  while (reader.left >= 4) {
    const type = reader.uint16();
    const length = reader.uint16();
    const value = reader.inner(length - 4);
    reader.skip(Math.min((8 - (length % 8)) % 8, reader.left));
    if (type === property.packet) packet = value.rest();
    else if (type === property.fullLength) fullLength = value.uint32();
    else if (type === property.table) table = value.uint8();
    else if (type === property.cookie) {
      // 64-bit properties are aligned: four bytes of padding come first.
      value.skip(value.left - 8);
      cookie = value.uint64();
    } else if (type === property.reason) reason = packetInReasons[value.uint8()] ?? reason;
    else if (type === property.metadata) metadata = readFields(value.rest()).match;
    else if (type === property.userdata) userdata = value.rest();
    else if (type === property.continuation) continuation = value.rest();
  }
  return {
    packet,
    fullLength: fullLength ?? packet.length,
    metadata,
    ...(table !== undefined && { table }),
    ...(cookie !== undefined && { cookie }),
    ...(reason !== undefined && { reason }),
    ...(userdata !== undefined && { userdata }),
    ...(continuation !== undefined && { continuation, received: { properties, packet, metadata } }),
  };
}

/** Writes a packet-out (OpenFlow 1.5 §7.3.6). */
export function writePacketOut(writer: Writer, { packet, inPort, metadata, actions }: PacketOut, xid: number): void {
  const start = startMessage(writer, messageType.packetOut, xid);
  const lengthAt = writer.uint32(noBuffer).length;
  writer.uint16(0).zeros(2);
  writeMatch(writer, { ...metadata, in_port: BigInt(portToWire(inPort ?? "CONTROLLER")) });
  const actionsAt = writer.length;
  writeActions(writer, actions);
  writer.patchUint16(lengthAt, writer.length - actionsAt).bytes(packet);
  endMessage(writer, start);
}

/** Writes NXT_RESUME: the packet-in goes on where it stopped, with the packet and metadata given here. */
export function writeResume(writer: Writer, packetIn: PacketIn & { readonly continuation: Uint8Array }, xid: number): void {
  const start = startNicira(writer, niciraMessage.resume, xid);
  const put = (type: number, write: () => void): void => {
    const at = writer.length;
    writer.uint16(type).uint16(0);
    write();
    writer.patchUint16(at + 2, writer.length - at).align(8, at);
  };
  const { userdata, reason, table, cookie, received } = packetIn;
  if (received?.packet === packetIn.packet && received.metadata === packetIn.metadata) {
    writer.bytes(received.properties);
    endMessage(writer, start);
    return;
  }
  put(property.packet, () => writer.bytes(packetIn.packet));
  if (table !== undefined) put(property.table, () => writer.uint8(table));
  if (cookie !== undefined) put(property.cookie, () => writer.zeros(4).uint64(cookie));
  if (reason !== undefined) put(property.reason, () => writer.uint8(packetInReasons.indexOf(reason)));
  put(property.metadata, () => writeFields(writer, packetIn.metadata));
  if (userdata !== undefined) put(property.userdata, () => writer.bytes(userdata));
  put(property.continuation, () => {
    writer.bytes(packetIn.continuation);
  });
  endMessage(writer, start);
}
