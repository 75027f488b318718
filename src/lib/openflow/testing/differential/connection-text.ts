import type { TrackedConnection, TrackedSide } from "../../switch/conntrack/tracker.ts";

const names: Readonly<Record<number, string>> = { 1: "icmp", 2: "igmp", 6: "tcp", 17: "udp", 58: "icmpv6", 132: "sctp" };

/** A connection as `ovs-appctl dpctl/dump-conntrack -m` prints it, without what only that datapath has. */
export function ctTextOf(connection: TrackedConnection): string {
  const { protocol, zone, mark, label, tcp } = connection;
  const parts = [
    names[protocol] ?? String(protocol),
    `orig=(${side(connection, connection.original, false)})`,
    `reply=(${side(connection, connection.reply, true)})`,
  ];
  if (zone !== 0) parts.push(`zone=${zone}`);
  if (mark !== 0) parts.push(`mark=${mark}`);
  if (label !== 0n) parts.push(`labels=0x${label.toString(16)}`);
  if (tcp !== undefined) parts.push(`protoinfo=(state_orig=${tcp.original},state_reply=${tcp.reply})`);
  return parts.join();
}

function side({ icmp }: TrackedConnection, { source, destination, sourcePort, destinationPort }: TrackedSide, reply: boolean): string {
  const parts = [`src=${source}`, `dst=${destination}`];
  if (icmp === undefined) parts.push(`sport=${sourcePort}`, `dport=${destinationPort}`);
  else parts.push(`id=${sourcePort}`, `type=${reply ? icmp.replyType : icmp.type}`, "code=0");
  return parts.join();
}
