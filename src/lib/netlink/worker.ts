import { closeSync, readFileSync, writeFileSync } from "node:fs";
import { parentPort, workerData } from "node:worker_threads";
import { endingOf, type EndingState } from "./ending.ts";
import { getOffload, setOffload } from "./ethtool.ts";
import { NetlinkError } from "./errors.ts";
import {
  homeNamespace,
  type FromWorker,
  type Job,
  type JobFailure,
  type NamespaceId,
  type NetlinkProtocol,
  type ToWorker,
  type Watching,
} from "./jobs.ts";
import type { WatchedProtocol } from "./watch.ts";
import { type KernelSocket, openKernelSocket, openWatchSocket } from "./kernel-socket.ts";
import {
  closeAside,
  closeDescriptor,
  createPoll,
  dontWait,
  eventDescriptor,
  openSocket,
  receive,
  sendTo,
  socketDomain,
  socketKind,
} from "./libc.ts";
import { openTap } from "./tap.ts";
import { wakeUp } from "./wake-up.ts";
import { createNetwork, inNetwork, openNetwork, removeNetwork } from "./thread-namespace.ts";

/**
 * The thread that owns the netlink sockets and enters namespaces. Jobs run one after the other, each to its end, so no job ever sees
 * another one's namespace. Waiting for the kernel's RTNL lock happens here and never on the main thread.
 */

interface Namespace {
  /** Undefined for the home namespace: the thread is there already. */
  readonly fd?: number;
  readonly sockets: Map<NetlinkProtocol, KernelSocket>;
  /** Sends frames; once opened it goes with the namespace, as closing it takes the kernel as long as closing a link. */
  frames?: number;
}

interface Watch {
  readonly socket: number;
  readonly protocol: WatchedProtocol;
  readonly stop: number;
  stopping: boolean;
}

const namespaces = new Map<NamespaceId, Namespace>([[homeNamespace, { sockets: new Map() }]]);
const watches = new Map<number, Watch>();
/** Descriptors of tap devices, which go with them. */
const taps: number[] = [];
let nextNamespace = homeNamespace + 1;
let nextWatch = 1;
/** Most notifications fit; the kernel sends one per datagram. */
const notificationBytes = 64 * 1024;

const port = parentPort;
if (port === null) throw new NetlinkError({ what: "netlink worker", errno: "EINVAL", detail: "runs only as a worker thread" });
const ending = endingOf(workerData as EndingState);
/** Readable when the process ends. */
const processEnds = eventDescriptor();
ending.listen(processEnds);
// This thread ends when no wait is under way for it, however it comes to its end.
process.once("exit", () => {
  for (const id of watches.keys()) stopWatch(id);
  ending.leave();
  closeDescriptor(processEnds);
});
const tell = (...messages: readonly FromWorker[]): void => port.postMessage(messages);

port.on("message", (jobs: readonly ToWorker[]) => {
  const replies = jobs.flatMap(({ id, job }): FromWorker[] => {
    try {
      if (job.do === "exchangeAside") exchangeAside(id, job);
      else return [{ kind: "done", id, result: run(job) }];
    } catch (error) {
      return [{ kind: "failed", id, failure: describe(error) }];
    }
    return [];
  });
  if (replies.length > 0) tell(...replies);
  if (jobs.some(({ job }) => job.do === "close")) port.close();
});

function run(job: Exclude<Job, { do: "exchangeAside" }>): unknown {
  switch (job.do) {
    case "exchange":
      return socketOf(job.namespace, job.protocol).exchange(job.message);
    case "openNamespace":
      return adopt(openNetwork(job.path));
    case "createNamespace":
      return adopt(createNetwork(job.path));
    case "closeNamespace":
      return closeNamespace(job.namespace);
    case "removeNamespace":
      return removeNetwork(job.path);
    case "readSysctl":
      return within(job.namespace, () => readFileSync(`/proc/sys/${job.path}`, "utf8").trim());
    case "writeSysctl":
      return within(job.namespace, () => writeFileSync(`/proc/sys/${job.path}`, job.value));
    case "getOffload":
      return within(job.namespace, () => getOffload(job.link, job.feature));
    case "setOffload":
      return within(job.namespace, () => setOffload(job.link, job.feature, job.on));
    case "sendFrames":
      return sendFrames(job.namespace, job.linkIndex, job.frames);
    case "holdTap":
      taps.push(within(job.namespace, () => openTap(job.name)));
      return;
    case "watch":
      return startWatch(
        within(job.namespace, () => openWatchSocket(job.protocol, job.groups)),
        job.protocol,
      );
    case "unwatch":
      return stopWatch(job.watch);
    case "close":
      for (const watch of watches.keys()) stopWatch(watch);
      for (const tap of taps.splice(0)) closeSync(tap);
      for (const namespace of [...namespaces.keys()]) closeNamespace(namespace);
  }
}

function within<T>(id: NamespaceId, callback: () => T): T {
  const { fd } = namespaceOf(id);
  return fd === undefined ? callback() : inNetwork(fd, callback);
}

function namespaceOf(id: NamespaceId): Namespace {
  const namespace = namespaces.get(id);
  if (namespace === undefined) throw new NetlinkError({ what: `namespace ${id}`, errno: "ENOENT", detail: "closed already" });
  return namespace;
}

/** A socket stays in the namespace it was opened in, so only the first use has to go there. */
function socketOf(id: NamespaceId, protocol: NetlinkProtocol): KernelSocket {
  const { sockets } = namespaceOf(id);
  const present = sockets.get(protocol);
  if (present !== undefined) return present;
  const socket = within(id, () => openKernelSocket(protocol));
  sockets.set(protocol, socket);
  return socket;
}

function exchangeAside(id: number, { namespace, message }: Extract<Job, { do: "exchangeAside" }>): void {
  const socket = within(namespace, () => openKernelSocket("route"));
  socket
    .exchangeAside(message)
    .then(
      (result) => tell({ kind: "done", id, result }),
      (error: unknown) => tell({ kind: "failed", id, failure: describe(error) }),
    )
    .finally(socket.close);
}

function adopt(fd: number): { readonly namespace: NamespaceId; readonly fd: number } {
  const namespace = nextNamespace++;
  namespaces.set(namespace, { fd, sockets: new Map() });
  return { namespace, fd };
}

function closeNamespace(id: NamespaceId): void {
  const namespace = namespaces.get(id);
  if (namespace === undefined) return;
  for (const socket of namespace.sockets.values()) socket.close();
  namespace.sockets.clear();
  if (namespace.frames !== undefined) closeAside(namespace.frames);
  delete namespace.frames;
  if (namespace.fd === undefined) return;
  namespaces.delete(id);
  closeSync(namespace.fd);
}

const allProtocols = 0x0300;

function sendFrames(id: NamespaceId, linkIndex: number, frames: readonly Uint8Array[]): void {
  const namespace = namespaceOf(id);
  namespace.frames ??= within(id, () => openSocket(socketDomain.packet, socketKind.raw, 0));
  // struct sockaddr_ll: family, protocol (network order), index; the hardware address of a raw frame is in the frame.
  const address = Buffer.alloc(20);
  address.writeUInt16LE(socketDomain.packet, 0);
  address.writeUInt16LE(allProtocols, 2);
  address.writeInt32LE(linkIndex, 4);
  for (const frame of frames) sendTo(namespace.frames, frame, address);
}

function startWatch(socket: number, protocol: WatchedProtocol): Watching {
  const id = nextWatch++;
  const watch: Watch = { socket, protocol, stop: eventDescriptor(), stopping: false };
  watches.set(id, watch);
  const buffer = new Uint8Array(notificationBytes);
  const poll = createPoll([watch.socket, watch.stop, processEnds]);
  const wait = (): void =>
    poll.wait((failure) => {
      if (watch.stopping || ending.hasBegun() || failure !== null) {
        poll.free();
        closeDescriptor(watch.socket);
        closeDescriptor(watch.stop);
        return;
      }
      if (watch.protocol === "route") drain(id, watch.socket, buffer);
      else drainUnread(id, watch.socket, buffer);
      wait();
    });
  wait();
  return { watch: id };
}

function drain(id: number, socket: number, buffer: Uint8Array): void {
  for (;;) {
    try {
      const length = receive(socket, buffer, dontWait);
      if (length > buffer.length) tell({ kind: "overrun", watch: id });
      else tell({ kind: "watched", watch: id, chunk: buffer.slice(0, length) });
    } catch (error) {
      if (error instanceof NetlinkError && error.errno === "ENOBUFS") tell({ kind: "overrun", watch: id });
      else return;
    }
  }
}

/** Who changes a large nftables set makes thousands of notifications, which come to one. */
function drainUnread(id: number, socket: number, buffer: Uint8Array): void {
  // A wait may end also when nothing came.
  for (let heard = false; ; heard = true) {
    try {
      receive(socket, buffer, dontWait);
    } catch (error) {
      if (error instanceof NetlinkError && error.errno === "ENOBUFS") continue;
      if (heard) tell({ kind: "watched", watch: id, chunk: new Uint8Array(0) });
      return;
    }
  }
}

function stopWatch(id: number): void {
  const watch = watches.get(id);
  if (watch === undefined) return;
  watches.delete(id);
  watch.stopping = true;
  wakeUp(watch.stop);
}

function describe(error: unknown): JobFailure {
  if (error instanceof NetlinkError) return { what: error.what, errno: error.errno, detail: error.detail };
  const { code, syscall, path } = error as { code?: unknown; syscall?: unknown; path?: unknown };
  if (typeof code === "string") return { what: `${String(syscall ?? "call")} ${String(path ?? "")}`.trim(), errno: code };
  return { what: "netlink worker", errno: "EIO", detail: String(error) };
}
