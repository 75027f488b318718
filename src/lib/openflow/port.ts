/** The reserved ports of OpenFlow 1.1+ under the names that ovs-ofctl prints (openflow.h `OFPP_*`). */
export const reservedPorts = {
  MAX: 0xffffff00,
  UNSET: 0xfffffff7,
  IN_PORT: 0xfffffff8,
  TABLE: 0xfffffff9,
  NORMAL: 0xfffffffa,
  FLOOD: 0xfffffffb,
  ALL: 0xfffffffc,
  CONTROLLER: 0xfffffffd,
  LOCAL: 0xfffffffe,
  ANY: 0xffffffff,
} as const;

export type ReservedPort = keyof typeof reservedPorts;

/** A port of the switch: its number (1 … 0xfeff on Open vSwitch), or a reserved one by name. */
export type PortNumber = number | ReservedPort;

/** The 32-bit number that stands on the wire for `port`. */
export function portToWire(port: PortNumber): number {
  return typeof port === "number" ? port : reservedPorts[port];
}

const nameOf = new Map<number, ReservedPort>(Object.entries(reservedPorts).map(([name, number]) => [number, name as ReservedPort]));

/** The reverse of {@link portToWire}: reserved numbers become names. */
export function portFromWire(wire: number): PortNumber {
  return nameOf.get(wire) ?? wire;
}

/** Nicira's older extensions carry ports in 16 bits: reserved ports keep their low half. Undefined when `port` does not fit. */
export function portToWire16(port: PortNumber): number | undefined {
  const wire = portToWire(port);
  if (wire >= 0xffffff00) return wire & 0xffff;
  return wire < 0xff00 ? wire : undefined;
}

/** The reverse of {@link portToWire16}. */
export function portFromWire16(wire: number): PortNumber {
  return portFromWire(wire >= 0xff00 ? wire + 0xffff0000 : wire);
}

/** The name ovs-ofctl prints: `LOCAL`, `IN_PORT`, `7`. */
export function formatPort(port: PortNumber): string {
  return String(typeof port === "number" ? portFromWire(port) : port);
}

/** Reads a decimal or hexadecimal number or a reserved name in any case; undefined for anything else. `none` is the old name of ANY. */
export function parsePort(text: string): PortNumber | undefined {
  if (/^(\d+|0x[0-9a-f]+)$/i.test(text)) {
    const number = Number(text);
    if (number > 0xffffffff) return undefined;
    // A number of OpenFlow 1.0's reserved range means the same reserved port.
    return number >= 0xff00 && number <= 0xffff ? portFromWire16(number) : portFromWire(number);
  }
  const name = text.toUpperCase();
  if (name === "NONE") return "ANY";
  return name in reservedPorts ? (name as ReservedPort) : undefined;
}
