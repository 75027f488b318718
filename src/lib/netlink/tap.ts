import { closeSync, constants, openSync } from "node:fs";
import { ioctl } from "./libc.ts";

/** linux/if_tun.h: TUNSETIFF takes a `struct ifreq` of name and flags. */
const tunSetIff = 0x400454ca;
const flags = { tap: 0x0002, noPacketInformation: 0x1000 } as const;
const longestName = 15;

/** Makes a tap device in the namespace of the calling thread; it is gone when the descriptor is closed. */
export function openTap(name: string): number {
  const request = Buffer.alloc(40);
  request.write(name.slice(0, longestName), 0);
  request.writeUInt16LE(flags.tap | flags.noPacketInformation, 16);
  const fd = openSync("/dev/net/tun", constants.O_RDWR);
  try {
    ioctl(`tap ${name}`, fd, tunSetIff, request);
    return fd;
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}
