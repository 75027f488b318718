import assert from "node:assert/strict";
import { test } from "node:test";
import { type MacAddress, parseAddress } from "#lib/ip/index.ts";
import { encodeFrame, type TransportPacket } from "#lib/packet/index.ts";
import type { MemorySwitch, ReceivedPacket } from "../memory-switch.ts";

/** Where a name of a packet table stands behind the switch. */
export interface Place {
  readonly port: number;
  readonly mac: MacAddress;
  /** Of the family that is asked for; undefined when it has none. */
  address(family: 4 | 6): string | undefined;
}

/** One row: source and destination as the table's `find` knows them or as addresses, `80/tcp` or `icmp`, and what becomes of the packet. */
export type PacketRow = readonly [source: string, destination: string, port: string, verdict: "allow" | "drop", ...families: (4 | 6)[]];

export interface PacketTable {
  /** The switch to ask, made anew for each row where it is a function. */
  readonly memory: MemorySwitch | (() => MemorySwitch);
  /** Finds a name; addresses that it does not know are outside. */
  find(name: string): Place | undefined;
  /** Through which port addresses that nobody has come in, and the MAC that stands for them. */
  readonly outside: { readonly port: number; readonly mac: MacAddress };
}

/** A test of rows: each sends the first packet of a connection and expects it at the destination's port, or nowhere. Prints the way on failure. */
export function packets(title: string, table: PacketTable, rows: readonly PacketRow[]): void {
  test(title, () => {
    for (const row of rows) {
      const failure = tryRow(table, row);
      if (failure !== undefined) assert.fail(failure);
    }
  });
}

/** What is wrong with a row, with the packet's way; undefined when nothing is. */
export function tryRow(table: PacketTable, [source, destination, port, verdict, ...families]: PacketRow): string | undefined {
  const from = table.find(source);
  const to = table.find(destination);
  const fitting = familiesOf(source, destination, families).filter(
    (family) => addressOf(source, from, family) !== undefined && addressOf(destination, to, family) !== undefined,
  );
  if (fitting.length === 0) return `${source} → ${destination}: no address family that both have`;
  for (const family of fitting) {
    const memory = typeof table.memory === "function" ? table.memory() : table.memory;
    const packet: ReceivedPacket = {
      inPort: from?.port ?? table.outside.port,
      frame: encodeFrame({
        source: from?.mac ?? table.outside.mac,
        destination: to?.mac ?? table.outside.mac,
        payload: {
          ...(family === 4 ? { kind: "ipv4", ttl: 64 } : { kind: "ipv6", hopLimit: 64 }),
          source: parseAddress(addressOf(source, from, family) ?? ""),
          destination: parseAddress(addressOf(destination, to, family) ?? ""),
          payload: transportOf(port, family),
        },
      }),
    };
    const { outputs, trace } = memory.process(packet, { trace: true });
    const wanted = to?.port ?? table.outside.port;
    const arrived = outputs.some((output) => output.port === wanted);
    const right = verdict === "allow" ? arrived : outputs.length === 0;
    if (!right)
      return `${source} → ${destination} ${port}, IPv${family}: expected ${verdict}, went to ${outputs.map((output) => output.port).join() || "nowhere"}\n${trace}`;
  }
  return undefined;
}

function addressOf(name: string, place: Place | undefined, family: 4 | 6): string | undefined {
  if (place !== undefined) return place.address(family);
  return (name.includes(":") ? 6 : 4) === family && /^[0-9a-f.:]+$/i.test(name) ? name : undefined;
}

function familiesOf(source: string, destination: string, wanted: readonly (4 | 6)[]): readonly (4 | 6)[] {
  if (wanted.length > 0) return wanted;
  if ([source, destination].some((name) => /^[0-9a-f]*:[0-9a-f:]*$/i.test(name))) return [6];
  return [source, destination].some((name) => /^\d+(\.\d+){3}$/.test(name)) ? [4] : [4, 6];
}

const clientPort = 40_000;

function transportOf(text: string, family: 4 | 6): TransportPacket {
  const [number = "", protocol = "icmp"] = text.includes("/") ? text.split("/") : ["", text];
  const ports = { sourcePort: clientPort, destinationPort: Number(number) };
  switch (protocol) {
    case "tcp":
      return { kind: "tcp", ...ports, sequence: 1, acknowledgment: 0, flags: ["syn"], window: 65_000, payload: new Uint8Array(0) };
    case "udp":
      return { kind: "udp", ...ports, payload: new Uint8Array(8) };
    case "sctp":
      return { kind: "sctp", ...ports, verificationTag: 0, chunks: [{ type: 1, flags: 0, value: new Uint8Array(16) }] };
    case "icmp":
      return family === 4
        ? { kind: "icmp", type: 8, code: 0, rest: 0x10001, payload: new Uint8Array(8) }
        : { kind: "icmpv6", body: { type: "other", number: 128, code: 0, rest: 0x10001, payload: new Uint8Array(8) } };
    default:
      throw new Error(`${text} is neither icmp nor a port such as 80/tcp`);
  }
}
