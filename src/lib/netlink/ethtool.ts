import type { OffloadFeature } from "./jobs.ts";
import { addressOf, closeDescriptor, ioctl, openSocket, socketDomain, socketKind } from "./libc.ts";

/** Switches of the network card's work, by ioctl SIOCETHTOOL (linux/ethtool.h). In the namespace of the calling thread. */

const siocethtool = 0x8946;
const commands: Readonly<Record<OffloadFeature, { readonly get: number; readonly set: number }>> = {
  rxChecksum: { get: 0x14, set: 0x15 },
  txChecksum: { get: 0x16, set: 0x17 },
  scatterGather: { get: 0x18, set: 0x19 },
  tcpSegmentation: { get: 0x1e, set: 0x1f },
  genericSegmentation: { get: 0x23, set: 0x24 },
  genericReceive: { get: 0x2b, set: 0x2c },
};

export function getOffload(link: string, feature: OffloadFeature): boolean {
  return request(link, feature, { command: commands[feature].get, value: 0 }) !== 0;
}

export function setOffload(link: string, feature: OffloadFeature, on: boolean): void {
  request(link, feature, { command: commands[feature].set, value: on ? 1 : 0 });
}

/** `struct ethtool_value` behind the pointer of a `struct ifreq`. */
function request(link: string, feature: OffloadFeature, { command, value }: { readonly command: number; readonly value: number }): number {
  const argument = Buffer.alloc(128);
  argument.writeUInt32LE(command, 0);
  argument.writeUInt32LE(value, 4);
  const interfaceRequest = Buffer.alloc(40);
  interfaceRequest.write(link.slice(0, 15), 0);
  interfaceRequest.writeBigUInt64LE(addressOf(argument), 16);
  const fd = openSocket(socketDomain.inet, socketKind.datagram, 0);
  try {
    ioctl(`ethtool ${link} ${feature}`, fd, siocethtool, interfaceRequest);
    return argument.readUInt32LE(4);
  } finally {
    closeDescriptor(fd);
  }
}
