import { createConnection } from "node:net";
import type { Duplex } from "node:stream";
import { OutOfBytes, Writer } from "#lib/bytes/index.ts";
import { deadline } from "#lib/runtime/deadline.ts";
import { errorMessage, type Runtime, seconds, type Timer } from "#lib/runtime/index.ts";
import { errorName } from "./error-names.ts";
import { OpenFlowConnectionLost, OpenFlowError } from "./errors.ts";
import { createFrameDecoder } from "./messages/frames.ts";
import { emptyMessage, endMessage, type Message, messageType, readMultipart, startMessage } from "./messages/header.ts";
import { readError, type WireError } from "./messages/session.ts";

/** Where the switch listens: a unix socket such as `/run/openvswitch/br-int.mgmt`, or a stream that is open already. */
export type ChannelTarget = { readonly path: string } | { readonly socket: Duplex };

/** Messages to and from one switch: pairs answers with requests, keeps the connection alive. Knows nothing of flows. */
export interface Channel {
  /** Reserves `count` successive transaction ids and returns the first. */
  reserve(count?: number): number;
  send(bytes: Uint8Array): void;
  /** Sends what `write` writes and resolves with the answer. Rejects with {@link OpenFlowError} or {@link OpenFlowConnectionLost}. */
  request(what: string, write: (writer: Writer, xid: number) => void): Promise<Message>;
  /** The same for a multipart request: yields the body of each part. */
  parts(what: string, write: (writer: Writer, xid: number) => void): AsyncIterable<Uint8Array>;
  /** Hears errors about the ids `first` … `first + count − 1` until the result is called. */
  watchErrors(first: number, count: number, onError: (xid: number, error: WireError) => void): () => void;
  /** Resolves once the switch has dealt with everything sent before. */
  barrier(): Promise<void>;
  /** Resolves when the stream is open, or will not be any more. */
  readonly opened: Promise<void>;
  /** Resolves with the reason when the connection is gone. */
  readonly closed: Promise<Error>;
  close(): void;
}

/** How long the switch may be silent before it is asked, and then before it counts as gone. */
const echoInterval = seconds(5);
const silenceLimit = seconds(15);

/** A long piece of work does not keep what it sent first until its end: some ten packets. */
const sentTogether = 2_048;

interface Pending {
  readonly what: string;
  answer(message: Message): void;
  fail(error: Error): void;
}

/** Opens a stream; `onUnasked` hears what is no answer to anything. */
export function openChannel(options: {
  readonly runtime: Runtime;
  readonly target: ChannelTarget;
  readonly onUnasked: (message: Message) => void;
}): Channel {
  const { runtime, target, onUnasked } = options;
  const stream: Duplex = "socket" in target ? target.socket : createConnection({ path: target.path });
  const name = "socket" in target ? "the given socket" : target.path;
  const decoder = createFrameDecoder();
  const pending = new Map<number, Pending>();
  const watches = new Set<{ readonly first: number; readonly last: number; readonly onError: (xid: number, error: WireError) => void }>();
  let nextXid = 1;
  let lastHeard = runtime.clock.monotonic();
  /** An echo request waits for anything to be heard. */
  let asked = false;
  let lost: Error | undefined;
  let tellClosed: (reason: Error) => void = () => {};
  const closed = new Promise<Error>((resolve) => {
    tellClosed = resolve;
  });
  const opened =
    "socket" in target
      ? Promise.resolve()
      : Promise.race([closed, new Promise((resolve) => stream.once("connect", resolve))]).then(() => {});

  const end = (error: Error): void => {
    if (lost !== undefined) return;
    lost = error;
    timer.cancel();
    stream.destroy();
    for (const { fail } of [...pending.values()]) fail(error);
    pending.clear();
    tellClosed(error);
  };
  /** Bytes that wait for the end of this piece of work: one system call for many messages. */
  let corked = 0;
  const uncork = (): void => {
    if (corked === 0) return;
    corked = 0;
    stream.uncork();
  };
  const send = (bytes: Uint8Array): void => {
    if (lost !== undefined) return;
    if (corked === 0) {
      stream.cork();
      process.nextTick(uncork);
    }
    stream.write(bytes);
    corked += bytes.length;
    if (corked >= sentTogether) uncork();
  };

  const onError = (message: Message): void => {
    const error = readError(message.body);
    const waiting = pending.get(message.xid);
    if (waiting !== undefined) {
      pending.delete(message.xid);
      waiting.fail(new OpenFlowError(errorName(error), waiting.what));
      return;
    }
    const watch = [...watches].find(({ first, last }) => message.xid >= first && message.xid <= last);
    if (watch !== undefined) watch.onError(message.xid, error);
    else runtime.logger.warn("the switch reports an error that belongs to no request", { switch: name, error: errorName(error) });
  };
  const receive = (message: Message): void => {
    if (message.type === messageType.echoRequest) {
      const writer = new Writer(message.body.length + 8);
      const start = startMessage(writer, messageType.echoReply, message.xid);
      writer.bytes(message.body);
      endMessage(writer, start);
      send(writer.result());
    } else if (message.type === messageType.error) onError(message);
    else {
      const waiting = pending.get(message.xid);
      if (waiting !== undefined && message.type !== messageType.packetIn) waiting.answer(message);
      else if (message.type !== messageType.echoReply) onUnasked(message);
    }
  };
  stream.on("data", (chunk: Uint8Array) => {
    lastHeard = runtime.clock.monotonic();
    asked = false;
    const { messages, failure } = decoder.push(chunk);
    for (const message of messages) {
      try {
        receive(message);
      } catch (error) {
        if (!(error instanceof OutOfBytes)) throw error;
        runtime.logger.warn("the switch sent a message that is cut short", { switch: name, type: message.type });
      }
    }
    if (failure !== undefined) end(new OpenFlowConnectionLost(`${name}: ${failure}`));
  });
  stream.on("error", (error: unknown) => end(new OpenFlowConnectionLost(`${name}: ${errorMessage(error)}`, { cause: error })));
  stream.on("close", () => end(new OpenFlowConnectionLost(`${name}: the switch closed it`)));

  const beat = (): void => {
    const silence = runtime.clock.monotonic() - lastHeard;
    if (asked && silence >= silenceLimit) {
      end(new OpenFlowConnectionLost(`${name}: no answer to an echo request for ${silence / 1_000} s`));
      return;
    }
    if (silence >= echoInterval) {
      const writer = new Writer(8);
      emptyMessage(writer, messageType.echoRequest, channel.reserve());
      send(writer.result());
      asked = true;
    }
    timer = nextBeat();
  };
  const nextBeat = (): Timer => deadline(echoInterval, beat, runtime.clock, { background: true });
  let timer: Timer = nextBeat();

  const channel: Channel = {
    reserve(count = 1) {
      if (nextXid + count > 0xffffffff) nextXid = 1;
      const first = nextXid;
      nextXid += count;
      return first;
    },
    send,
    request: (what, write) =>
      new Promise((resolve, reject) => {
        if (lost !== undefined) return reject(lost);
        const xid = channel.reserve();
        const writer = new Writer();
        write(writer, xid);
        pending.set(xid, {
          what,
          answer(message) {
            pending.delete(xid);
            resolve(message);
          },
          fail: reject,
        });
        send(writer.result());
      }),
    async *parts(what, write) {
      if (lost !== undefined) throw lost;
      const xid = channel.reserve();
      const waiting: Message[] = [];
      let failure: Error | undefined;
      let wake: () => void = () => {};
      pending.set(xid, {
        what,
        answer(message) {
          waiting.push(message);
          wake();
        },
        fail(error) {
          failure = error;
          wake();
        },
      });
      const writer = new Writer();
      write(writer, xid);
      send(writer.result());
      try {
        for (let more = true; more; ) {
          const message = waiting.shift();
          if (message !== undefined) {
            const part = readMultipart(message.body);
            more = part.more;
            yield part.entries;
          } else if (failure !== undefined) throw failure;
          else
            await new Promise<void>((resolve) => {
              wake = resolve;
            });
        }
      } finally {
        pending.delete(xid);
      }
    },
    watchErrors(first, count, onError) {
      const watch = { first, last: first + count - 1, onError };
      watches.add(watch);
      return () => void watches.delete(watch);
    },
    async barrier() {
      await channel.request("a barrier", (writer, xid) => emptyMessage(writer, messageType.barrierRequest, xid));
    },
    opened,
    closed,
    close: () => end(new OpenFlowConnectionLost(`${name}: closed by this side`)),
  };
  return channel;
}
