import { closeSync, openSync } from "node:fs";
import {
  bindSocket,
  closeAside,
  closeDescriptor,
  enterNetwork,
  ioctl,
  openSocket,
  receiveNow,
  send,
  setSocketOption,
  socketDomain,
  socketKind,
} from "../libc.ts";

/** A packet socket (packet(7)) on one interface: whole Ethernet frames out and in, past the interface's own IP stack, which sees what arrives too. */
export interface FrameSocket {
  /** Throws NetlinkError with the errno's name: ENETDOWN, ENOBUFS, … */
  send(frame: Uint8Array): void;
  /** The next frame that arrived; undefined when there is none. Frames that leave are not seen. Never waits. The bytes hold until the next call. */
  receive(): Uint8Array | undefined;
  close(): void;
}

/** Where frames of before they are read lie: a thousand large ones. What is above it is lost. */
const receiveBufferBytes = 16 * 1024 * 1024;
const largestFrame = 65_536;
const allProtocols = 0x0003;
const level = { socket: 1, packet: 263 } as const;
const option = { receiveBufferForce: 33, ignoreOutgoing: 23 } as const;
const getInterfaceIndex = 0x8933;

/**
 * Opens the socket in another network namespace, by visiting it: a socket belongs to the namespace of its birth. Needs root. Synchronous, so that
 * nothing else of this thread runs over there.
 */
export function openFrameSocket({ networkNamespace, link }: { readonly networkNamespace: string; readonly link: string }): FrameSocket {
  const there = openSync(networkNamespace, "r");
  const home = openSync("/proc/thread-self/ns/net", "r");
  let fd: number;
  try {
    enterNetwork(there);
    try {
      // Of no protocol until it is bound to its interface: it would collect the frames of all others.
      fd = openSocket(socketDomain.packet, socketKind.raw, 0);
    } finally {
      enterNetwork(home);
    }
  } finally {
    closeSync(there);
    closeSync(home);
  }
  try {
    setSocketOption(fd, level.socket, option.receiveBufferForce, word(receiveBufferBytes));
    setSocketOption(fd, level.packet, option.ignoreOutgoing, word(1));
    bindSocket(fd, packetAddress(indexOf(fd, link)));
  } catch (error) {
    closeDescriptor(fd);
    throw error;
  }
  const buffer = new Uint8Array(largestFrame);
  return {
    send: (frame) => send(fd, frame),
    receive() {
      const length = receiveNow(fd, buffer);
      return length === undefined || length > buffer.length ? undefined : buffer.subarray(0, length);
    },
    close: () => closeAside(fd),
  };
}

/** struct ifreq: 16 bytes of name, then the answer. */
function indexOf(fd: number, link: string): number {
  const request = new Uint8Array(40);
  request.set(new TextEncoder().encode(link));
  ioctl(`index of ${link}`, fd, getInterfaceIndex, request);
  return new DataView(request.buffer).getInt32(16, true);
}

/** struct sockaddr_ll. */
function packetAddress(index: number): Uint8Array {
  const address = new Uint8Array(20);
  const view = new DataView(address.buffer);
  view.setUint16(0, socketDomain.packet, true);
  view.setUint16(2, allProtocols);
  view.setInt32(4, index, true);
  return address;
}

function word(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setInt32(0, value, true);
  return bytes;
}
