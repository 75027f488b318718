import { getSystemErrorName } from "node:util";
import koffi from "koffi";
import { NetlinkError } from "./errors.ts";

/** The few functions of libc that Node lacks. Every one throws {@link NetlinkError} with the errno's name. Loaded in the worker thread only. */

const libc = koffi.load("libc.so.6");
const calls = {
  socket: libc.func("int socket(int, int, int)"),
  bind: libc.func("int bind(int, const void *, uint32_t)"),
  setsockopt: libc.func("int setsockopt(int, int, int, const void *, uint32_t)"),
  send: libc.func("long send(int, const void *, size_t, int)"),
  sendto: libc.func("long sendto(int, const void *, size_t, int, const void *, uint32_t)"),
  recv: libc.func("long recv(int, _Out_ void *, size_t, int)"),
  ioctl: libc.func("int ioctl(int, unsigned long, _Inout_ void *)"),
  setns: libc.func("int setns(int, int)"),
  unshare: libc.func("int unshare(int)"),
  mount: libc.func("int mount(const char *, const char *, const char *, unsigned long, const void *)"),
  umount2: libc.func("int umount2(const char *, int)"),
  eventfd: libc.func("int eventfd(unsigned int, int)"),
  close: libc.func("int close(int)"),
  poll: libc.func("int poll(void *, unsigned long, int)"),
};

const newNetwork = 0x40000000;
const closeOnExec = 0o2000000;
const raw = 3;
export const socketDomain = { inet: 2, netlink: 16, packet: 17 } as const;
export const socketKind = { datagram: 2, raw } as const;

/** A new descriptor, closed on exec. */
export function openSocket(domain: number, kind: number, protocol: number): number {
  return checked("socket", calls.socket(domain, kind | closeOnExec, protocol));
}

/** Closes what this module opened: Node's own close would warn that it never saw the descriptor. */
export function closeDescriptor(fd: number): void {
  calls.close(fd);
}

/** koffi throws at the 257th call that runs or waits on its threads, of which there are a few: more than this many wait here, the rest is for {@link createPoll}. */
const mostAside = 128;
let aside = 0;
const waitingAside: (() => void)[] = [];

/** Starts what calls `ended` once when its call on another thread has ended, or puts it behind those that wait. */
function beginAside(start: (ended: () => void) => void): void {
  if (aside >= mostAside) {
    waitingAside.push(() => beginAside(start));
    return;
  }
  aside++;
  start(() => {
    aside--;
    waitingAside.shift()?.();
  });
}

/** Closes on a thread of koffi's: for a packet socket the kernel waits until nobody looks at it any more, some 15 ms. */
export function closeAside(fd: number): void {
  beginAside((ended) => calls.close.async(fd, ended));
}

export function bindSocket(fd: number, address: Uint8Array): void {
  checked("bind", calls.bind(fd, address, address.length));
}

export function setSocketOption(fd: number, level: number, option: number, value: Uint8Array): void {
  checked("setsockopt", calls.setsockopt(fd, level, option, value, value.length));
}

export function send(fd: number, bytes: Uint8Array): void {
  checked("send", calls.send(fd, bytes, bytes.length, 0));
}

/** {@link send} on a thread of koffi's; `done` hears of its end. Sends a copy that garbage collection cannot take back meanwhile. */
export function sendAside(fd: number, bytes: Uint8Array, done: (failure: Error | undefined) => void): void {
  beginAside((ended) => {
    const copy: unknown = koffi.alloc("uint8_t", bytes.length);
    koffi.encode(copy, "uint8_t", bytes, bytes.length);
    calls.send.async(fd, copy, bytes.length, 0, (failure: Error | null, sent: unknown) => {
      koffi.free(copy);
      ended();
      done(failure ?? (Number(sent) < 0 ? new NetlinkError({ what: "send", errno: "EIO" }) : undefined));
    });
  });
}

export function sendTo(fd: number, bytes: Uint8Array, address: Uint8Array): void {
  checked("sendto", calls.sendto(fd, bytes, bytes.length, 0, address, address.length));
}

const truncate = 0x20;
export const dontWait = 0x40;

/** Bytes of the next datagram; more than `buffer.length` when it did not fit. `flags`: {@link dontWait} or 0. */
export function receive(fd: number, buffer: Uint8Array, flags = 0): number {
  return checked("recv", calls.recv(fd, buffer, buffer.length, flags | truncate));
}

/** As {@link receive} without waiting; undefined when there is no datagram. Cheaper than an error for those who ask often. */
export function receiveNow(fd: number, buffer: Uint8Array): number | undefined {
  const length = Number(calls.recv(fd, buffer, buffer.length, dontWait | truncate));
  return length < 0 && koffi.errno() === tryAgain ? undefined : checked("recv", length);
}
const tryAgain = 11;

/** `request` may be written to by the kernel, and so may what it points to. */
export function ioctl(what: string, fd: number, code: number, request: Uint8Array): void {
  checked(what, calls.ioctl(fd, code, request));
}

/** Where `bytes` lies in memory, for a struct that points to it; the caller keeps it alive. */
export function addressOf(bytes: Uint8Array): bigint {
  return koffi.address(bytes);
}

/** Moves the calling thread into the network namespace of the open descriptor. */
export function enterNetwork(fd: number): void {
  checked("setns", calls.setns(fd, newNetwork));
}

/** Moves the calling thread into a new network namespace. */
export function unshareNetwork(): void {
  checked("unshare", calls.unshare(newNetwork));
}

const bindMount = 0x1000;
const detach = 2;

export function mountBind(source: string, target: string): void {
  checked(`mount ${target}`, calls.mount(source, target, "none", bindMount, null));
}

export function unmount(target: string): void {
  checked(`umount ${target}`, calls.umount2(target, detach));
}

/** A descriptor that becomes readable when eight bytes are written to it (`wake-up.ts`). */
export function eventDescriptor(): number {
  return checked("eventfd", calls.eventfd(0, closeOnExec));
}

const readable = 1;
const pollEntryBytes = 8;

/**
 * Waits, off this thread, until one of two descriptors can be read; `done` hears when. The kernel writes into the set meanwhile, and koffi
 * does not keep it alive: it lies in memory that no garbage collection takes back, for {@link Poll.free} to give back.
 */
export interface Poll {
  /** Until one can be read, or {@link pollMs} have passed. A thread cannot end while a call is under way in another one for it. */
  wait(done: (failure: Error | null) => void): void;
  /** Only when no wait is under way. */
  free(): void;
}

/** Whoever ends makes a descriptor readable first; this is for an end that nobody foresaw. Rare, as each wait that ends wakes three threads. */
const pollMs = 60_000;

export function createPoll(fds: readonly number[]): Poll {
  const set: unknown = koffi.alloc("uint8_t", fds.length * pollEntryBytes);
  for (const [index, fd] of fds.entries()) {
    koffi.encode(set, index * pollEntryBytes, "int32_t", fd);
    koffi.encode(set, index * pollEntryBytes + 4, "int32_t", readable);
  }
  return {
    wait: (done) => calls.poll.async(set, fds.length, pollMs, (failure: Error | null) => done(failure)),
    free: () => koffi.free(set),
  };
}

function checked(what: string, result: unknown): number {
  const number = Number(result);
  if (number < 0) throw new NetlinkError({ what, errno: errnoName(koffi.errno()) });
  return number;
}

/** `EEXIST` for 17. */
export function errnoName(errno: number): string {
  return errno === 0 ? "OK" : (unnamed.get(errno) ?? getSystemErrorName(-errno));
}

/** What Linux answers and libuv has no name for. */
const unnamed: ReadonlyMap<number, string> = new Map([[85, "ERESTART"]]);
