import type { PacketIn } from "#lib/openflow/connection.ts";

/** Where a frame without VLAN tag has the source of its IP packet. */
const places = { 2048: { at: 26, bytes: 4 }, 34525: { at: 22, bytes: 16 } } as const;
/** OpenFlow ports have 32 bits: what is above is no port. */
const abovePorts = 2 ** 32;
/** Of an IPv6 address so many bytes: with more the number would not be exact. Nodes' pods differ in the last. */
const countedBytes = 6;

/**
 * Whom a packet is of, to be fair to: the port that it came by, and behind the tunnel, by which all pods of other nodes come, its source address. What comes by the gateway may
 * have any source, so that all of it is one sender.
 */
export function senderBehind(tunnel: { readonly ofport: number } | undefined): (packet: PacketIn) => number {
  return ({ metadata, packet }) => {
    const port = typeof metadata.in_port === "bigint" ? Number(metadata.in_port) : 0;
    if (port !== tunnel?.ofport) return port;
    const place = places[(((packet[12] ?? 0) << 8) | (packet[13] ?? 0)) as keyof typeof places];
    if (place === undefined) return port;
    let number = 0;
    const from = place.at + Math.max(0, place.bytes - countedBytes);
    for (let at = from; at < place.at + place.bytes; at++) number = number * 256 + (packet[at] ?? 0);
    return abovePorts + number;
  };
}
