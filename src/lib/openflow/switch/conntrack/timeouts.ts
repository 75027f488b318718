import { type Duration, hours, minutes, seconds } from "#lib/runtime/index.ts";

/** How long the userspace datapath remembers a connection after a packet, by how far the connection got (ovs-vswitchd 3.1 defaults). */
export const timeouts = {
  tcpFirstPacket: seconds(30),
  tcpOpening: seconds(30),
  tcpEstablished: hours(24),
  tcpClosing: minutes(15),
  tcpFinWait: seconds(45),
  tcpClosed: seconds(30),
  otherFirst: seconds(60),
  otherMultiple: seconds(60),
  otherBoth: seconds(30),
  icmpFirst: seconds(60),
  icmpReply: seconds(30),
} as const satisfies Record<string, Duration>;
