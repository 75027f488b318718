import { NetlinkError } from "./errors.ts";
import {
  bindSocket,
  closeDescriptor,
  errnoName,
  openSocket,
  receive,
  send,
  sendAside,
  setSocketOption,
  socketDomain,
  socketKind,
} from "./libc.ts";
import { type Attributes, decodeAttributes, flag, headerBytes, messageType, splitMessages, viewOf } from "./message.ts";

/** A netlink socket of the namespace that the calling thread was in when it was opened. Blocking: the kernel answers within the call. */
export interface KernelSocket {
  /** Sends one request, or the messages of one transaction, and gives its answers in chunks of whole messages. Throws {@link NetlinkError}. */
  exchange(message: Uint8Array): Uint8Array[];
  /** The same while another thread waits for the kernel. One at a time per socket, and no {@link exchange} beside it. */
  exchangeAside(message: Uint8Array): Promise<Uint8Array[]>;
  close(): void;
}

const protocols = { route: 0, netfilter: 12 } as const;
const solNetlink = 270;
const option = { cappedAck: 10, extendedAck: 11, strictChecking: 12 } as const;
const solSocket = 1;
const receiveTimeout = 20;
/** The kernel queues answers within `send`; only a broken kernel would let us wait. Seconds. */
const answerTimeoutSeconds = 5;
/** The kernel fills at most 32 KiB per datagram of a dump; one message alone (a link with many virtual functions) may be larger. */
const receiveBytes = 256 * 1024;
/** A dump that goes on beyond this is given up: a million conntrack entries are about 300 MB, and nobody may make us hold that. */
const largestDumpBytes = 64 * 1024 * 1024;
const noMoreSpace = "ENOSPC";

// One buffer for all sockets: answers are copied out before the next call.
const buffer = new Uint8Array(receiveBytes);

export function openKernelSocket(protocol: keyof typeof protocols): KernelSocket {
  const fd = openSocket(socketDomain.netlink, socketKind.raw, protocols[protocol]);
  for (const name of [option.cappedAck, option.extendedAck, option.strictChecking]) setSocketOption(fd, solNetlink, name, int32(1));
  setSocketOption(fd, solSocket, receiveTimeout, timeval(answerTimeoutSeconds));
  let sequence = 0;
  const typeOf = (message: Uint8Array): number => viewOf(message).getUint16(4, true);
  /** All messages of a transaction have the number of one, so that whichever is refused answers for all. */
  const numbered = (request: Uint8Array): Uint8Array => {
    const messages = request.slice();
    const view = viewOf(messages);
    sequence = (sequence + 1) >>> 0;
    for (let offset = 0; offset < messages.length; offset += view.getUint32(offset, true)) view.setUint32(offset + 8, sequence, true);
    return messages;
  };
  return {
    exchange(request) {
      const message = numbered(request);
      send(fd, message);
      return collect(fd, { type: typeOf(message), sequence });
    },
    exchangeAside(request) {
      const message = numbered(request);
      return new Promise((resolve, reject) => {
        sendAside(fd, message, (failure) => {
          try {
            if (failure !== undefined) throw failure;
            resolve(collect(fd, { type: typeOf(message), sequence }));
          } catch (error) {
            reject(error);
          }
        });
      });
    },
    close: () => closeDescriptor(fd),
  };
}

/** Opens a socket that hears multicast `groups`, one bit each. */
export function openWatchSocket(protocol: keyof typeof protocols, groups: number): number {
  const fd = openSocket(socketDomain.netlink, socketKind.raw, protocols[protocol]);
  const address = Buffer.alloc(12);
  address.writeUInt16LE(socketDomain.netlink, 0);
  address.writeUInt32LE(groups, 8);
  bindSocket(fd, address);
  return fd;
}

function collect(fd: number, request: { readonly type: number; readonly sequence: number }): Uint8Array[] {
  const chunks: Uint8Array[] = [];
  const what = `netlink request ${request.type}`;
  for (let total = 0; ; ) {
    const length = receive(fd, buffer);
    if (length > buffer.length) throw new NetlinkError({ what, errno: "EMSGSIZE", detail: `an answer of ${length} bytes` });
    const chunk = buffer.slice(0, length);
    const split = splitMessages(chunk);
    if (!split.ok) throw new NetlinkError({ what, errno: "EBADMSG", detail: split.reason });
    const answers = split.value.filter((message) => message.sequence === request.sequence);
    if (answers.length === 0) continue;
    total += length;
    if (total > largestDumpBytes) throw new NetlinkError({ what, errno: noMoreSpace, detail: "the dump is larger than we hold" });
    chunks.push(chunk);
    const last = answers.find(({ type }) => type === messageType.error || type === messageType.done);
    if (last === undefined) continue;
    const errno = last.payload.length < 4 ? 0 : -viewOf(last.payload).getInt32(0, true);
    if (errno !== 0) throw new NetlinkError({ what, errno: errnoName(errno), detail: extendedText(last) });
    return chunks;
  }
}

const errorAttribute = { message: 1 } as const;

function extendedText({ flags, payload }: { readonly flags: number; readonly payload: Uint8Array }): string | undefined {
  if ((flags & flag.ackAttributes) === 0) return undefined;
  const echoed =
    headerBytes + ((flags & flag.capped) === 0 && payload.length >= 8 ? Math.max(0, viewOf(payload).getUint32(4, true) - headerBytes) : 0);
  const decoded: { readonly ok: boolean; readonly value?: Attributes } = decodeAttributes(
    payload.subarray(Math.min(payload.length, 4 + echoed)),
  );
  return decoded.ok ? decoded.value?.text(errorAttribute.message) : undefined;
}

function int32(value: number): Uint8Array {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32LE(value);
  return bytes;
}

function timeval(seconds: number): Uint8Array {
  const bytes = Buffer.alloc(16);
  bytes.writeBigInt64LE(BigInt(seconds));
  return bytes;
}
