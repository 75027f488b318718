import { Reader, type Writer } from "#lib/bytes/index.ts";
import { MacAddress } from "#lib/ip/index.ts";
import { type PortNumber, portFromWire } from "../port.ts";
import { anyPort } from "./flow-mod.ts";
import { endMessage, multipartType, startMultipart } from "./header.ts";

/** A port of the switch. */
export interface PortDescription {
  readonly port: PortNumber;
  readonly name: string;
  readonly mac: MacAddress;
  /** Set down by configuration (OFPPC_PORT_DOWN). */
  readonly down: boolean;
  /** The link has no carrier (OFPPS_LINK_DOWN). */
  readonly linkDown: boolean;
}

/** A port that came, went or changed. */
export interface PortStatus {
  readonly reason: "add" | "delete" | "modify";
  readonly port: PortDescription;
}

/** Writes a request for every port (OFPMP_PORT_DESC). */
export function writePortRequest(writer: Writer, xid: number): void {
  const start = startMultipart(writer, multipartType.portDesc, xid);
  writer.uint32(anyPort).zeros(4);
  endMessage(writer, start);
}

/** Reads the entries of one part of a port report. Throws OutOfBytes when they are cut short. */
export function readPorts(bytes: Uint8Array): PortDescription[] {
  const reader = new Reader(bytes);
  const ports: PortDescription[] = [];
  while (reader.left > 0) ports.push(readPort(reader));
  return ports;
}

const reasons: readonly PortStatus["reason"][] = ["add", "delete", "modify"];

/** Reads the body of a port status; undefined for a reason not known. Throws OutOfBytes when it is cut short. */
export function readPortStatus(body: Uint8Array): PortStatus | undefined {
  const reader = new Reader(body);
  const reason = reasons[reader.uint8()];
  reader.skip(7);
  const port = readPort(reader);
  return reason === undefined ? undefined : { reason, port };
}

const nameBytes = 16;

function readPort(reader: Reader): PortDescription {
  const number = reader.uint32();
  const length = reader.uint16();
  reader.skip(2);
  const mac = MacAddress.fromBytes(reader.bytes(6));
  reader.skip(2);
  const name = Buffer.from(reader.bytes(nameBytes)).toString("utf8").replace(/\0.*$/s, "");
  const down = (reader.uint32() & 1) !== 0;
  const linkDown = (reader.uint32() & 1) !== 0;
  reader.skip(length - 40);
  return { port: portFromWire(number), name, mac, down, linkDown };
}
