import { createMessageSplitter, type MessageSplitter } from "#lib/dns/index.ts";
import type { TcpSegment } from "#lib/packet/index.ts";

/** Bounds of what is kept of pods' DNS over TCP. */
export interface TcpStreamLimits {
  /** Connections that are followed; the one without a segment for longest goes first. */
  readonly connections: number;
  /** Bytes of one connection that came before those in front of them: more than a server's first window. */
  readonly earlyBytes: number;
}

export const tcpStreamLimits: TcpStreamLimits = { connections: 1_024, earlyBytes: 0x1_0000 };

/** What a segment from a server brings. */
export interface SegmentContent {
  /** DNS messages that it completes, in order. Until it reaches the client, the client has none of them. */
  readonly messages: readonly Uint8Array[];
  /** The segment has bytes that cannot be told apart into messages: its connection's beginning was not seen, or it was lost for want of room. */
  readonly unreadable: boolean;
}

/** Puts answers over TCP together from segments in any order. Pure, bounded. */
export interface TcpStreams {
  /** `connection` names the direction of a connection. */
  push(connection: string, segment: TcpSegment): SegmentContent;
  readonly connections: number;
}

interface Stream {
  /** The sequence number that comes next. */
  next: number;
  readonly splitter: MessageSplitter;
  /** Payloads beyond `next`, by their sequence number. */
  readonly early: Map<number, Uint8Array>;
  earlyBytes: number;
  broken: boolean;
}

const nothing: SegmentContent = { messages: [], unreadable: false };

export function createTcpStreams(limits: TcpStreamLimits = tcpStreamLimits): TcpStreams {
  /** In the order of their last segment. */
  const streams = new Map<string, Stream>();

  const begin = (connection: string, next: number): Stream => {
    const stream: Stream = { next, splitter: createMessageSplitter(), early: new Map(), earlyBytes: 0, broken: false };
    streams.set(connection, stream);
    const [oldest] = streams.keys();
    if (streams.size > limits.connections && oldest !== undefined) streams.delete(oldest);
    return stream;
  };
  const take = (stream: Stream, payload: Uint8Array): Uint8Array[] => {
    stream.next = (stream.next + payload.length) >>> 0;
    return stream.splitter.push(payload);
  };
  /** What is in its place now that the gap before it is filled. */
  const takeEarly = (stream: Stream): Uint8Array[] => {
    const messages: Uint8Array[] = [];
    for (let found = true; found; ) {
      found = false;
      for (const [sequence, payload] of stream.early) {
        const ahead = distance(stream.next, sequence);
        if (ahead > 0) continue;
        stream.early.delete(sequence);
        stream.earlyBytes -= payload.length;
        if (-ahead < payload.length) messages.push(...take(stream, payload.subarray(-ahead)));
        found = true;
      }
    }
    return messages;
  };

  return {
    push(connection, { sequence, flags, payload }) {
      let stream = streams.get(connection);
      if (flags.includes("syn")) {
        begin(connection, (sequence + 1) >>> 0);
        return nothing;
      }
      if (flags.includes("rst")) {
        streams.delete(connection);
        return nothing;
      }
      if (payload.length === 0) return nothing;
      // Begun before this agent: nearly always a segment begins with a message, and what does not shows when it is read.
      stream ??= begin(connection, sequence);
      streams.delete(connection);
      streams.set(connection, stream);
      if (stream.broken) return { messages: [], unreadable: true };
      const ahead = distance(stream.next, sequence);
      if (ahead > 0) {
        if (stream.earlyBytes + payload.length > limits.earlyBytes) {
          stream.broken = true;
          stream.early.clear();
          return { messages: [], unreadable: true };
        }
        const before = stream.early.get(sequence)?.length ?? 0;
        if (payload.length > before) {
          stream.early.set(sequence, payload);
          stream.earlyBytes += payload.length - before;
        }
        return nothing;
      }
      if (-ahead >= payload.length) return nothing;
      const messages = take(stream, payload.subarray(-ahead));
      messages.push(...takeEarly(stream));
      return { messages, unreadable: false };
    },
    get connections() {
      return streams.size;
    },
  };
}

/** How far `to` is ahead of `from` in the circle of sequence numbers (RFC 9293 §3.4); negative when it is behind. */
const distance = (from: number, to: number): number => (to - from) | 0;
