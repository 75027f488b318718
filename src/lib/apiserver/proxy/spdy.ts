import type { Duplex } from "node:stream";

/** A stream of a SPDY connection, opened by this end. */
export interface SpdyStream {
  /** Returns false while the connection takes no more: `drain` of its socket says when it does. */
  write(bytes: Uint8Array): boolean;
  /** Nothing more comes from this end. */
  end(): void;
}

export interface SpdyConnection {
  /** Opens a stream with these headers. `data` hears what the other end sends, `end` that nothing more comes. */
  open(
    headers: Readonly<Record<string, string>>,
    listener: { readonly data: (bytes: Buffer) => void; readonly end: () => void },
  ): SpdyStream;
}

const version = 3;
const types = { synStream: 1, rstStream: 3, ping: 6 } as const;
const fin = 0x01;
/** A frame's length has 24 bits. Runtimes send 32 kB at a time; far more is not what it should be. */
const maxFrame = 1 << 20;

/**
 * The client's half of SPDY/3.1 as container runtimes speak it (exec, attach): streams, their ends, pings. Neither end sends window updates. What breaks
 * the protocol ends the connection.
 */
export function connectSpdy(socket: Duplex, head: Buffer): SpdyConnection {
  const streams = new Map<number, { readonly data: (bytes: Buffer) => void; readonly end: () => void }>();
  let nextId = 1;
  let pending: Buffer = Buffer.alloc(0);

  const ended = (id: number): void => {
    const stream = streams.get(id);
    streams.delete(id);
    stream?.end();
  };
  const frame = (control: boolean, first: number, flags: number, body: Buffer): void => {
    if (!control) {
      if (body.length > 0) streams.get(first)?.data(body);
      if ((flags & fin) !== 0) ended(first);
      return;
    }
    const type = first & 0xffff;
    const id = body.length >= 4 ? body.readUInt32BE(0) & 0x7fff_ffff : 0;
    if (type === types.ping) socket.write(controlFrame(types.ping, 0, body));
    else if (type === types.rstStream) ended(id);
    // A reply may end its stream at once; what else there is (settings, goodbyes) changes nothing here.
    else if ((flags & fin) !== 0) ended(id);
  };
  const take = (bytes: Buffer): void => {
    pending = pending.length === 0 ? bytes : Buffer.concat([pending, bytes]);
    while (pending.length >= 8) {
      const word = pending.readUInt32BE(0);
      const length = pending.readUIntBE(5, 3);
      if (length > maxFrame) return void socket.destroy(new Error(`a SPDY frame of ${length} bytes`));
      if (pending.length < 8 + length) return;
      const body = pending.subarray(8, 8 + length);
      const flags = pending[4] ?? 0;
      pending = pending.subarray(8 + length);
      frame(word >>> 31 === 1, word & 0x7fff_ffff, flags, body);
    }
  };
  socket.on("data", take);
  if (head.length > 0) take(head);

  return {
    open(headers, listener) {
      const id = nextId;
      nextId += 2;
      streams.set(id, listener);
      // stream, associated stream, priority and slot, headers
      const fixed = Buffer.alloc(10);
      fixed.writeUInt32BE(id, 0);
      socket.write(controlFrame(types.synStream, 0, Buffer.concat([fixed, headerBlock(headers, { isFirst: id === 1 })])));
      return {
        write: (bytes) => socket.write(dataFrame(id, 0, bytes)),
        end: () => void socket.write(dataFrame(id, fin, Buffer.alloc(0))),
      };
    },
  };
}

function controlFrame(type: number, flags: number, body: Uint8Array): Buffer {
  const head = Buffer.alloc(8);
  head.writeUInt16BE(0x8000 | version, 0);
  head.writeUInt16BE(type, 2);
  head.writeUInt8(flags, 4);
  head.writeUIntBE(body.length, 5, 3);
  return Buffer.concat([head, body]);
}

function dataFrame(id: number, flags: number, body: Uint8Array): Buffer {
  const head = Buffer.alloc(8);
  head.writeUInt32BE(id, 0);
  head.writeUInt8(flags, 4);
  head.writeUIntBE(body.length, 5, 3);
  return Buffer.concat([head, body]);
}

/**
 * Headers as SPDY has them: counted names and values in a zlib stream that goes on over the whole connection. Its blocks are stored, not compressed
 * (RFC 1951 §3.2.4): they are a few bytes, once per stream. Without the dictionary that the protocol has for compressing, which a reader is told of by
 * the stream's own head (RFC 1950 §2.2).
 */
function headerBlock(headers: Readonly<Record<string, string>>, { isFirst }: { readonly isFirst: boolean }): Buffer {
  const counted = (text: string): Buffer => {
    const bytes = Buffer.from(text);
    const length = Buffer.alloc(4);
    length.writeUInt32BE(bytes.length);
    return Buffer.concat([length, bytes]);
  };
  const entries = Object.entries(headers);
  const count = Buffer.alloc(4);
  count.writeUInt32BE(entries.length);
  const content = Buffer.concat([count, ...entries.flatMap(([name, value]) => [counted(name.toLowerCase()), counted(value)])]);
  const block = Buffer.alloc(5);
  block.writeUInt16LE(content.length, 1);
  block.writeUInt16LE(0xffff ^ content.length, 3);
  // Readers in Go hand on what they hold when an empty block says that nothing waits (the flush of zlib): without it they wait for the next stream's.
  const flush = Buffer.from([0, 0, 0, 0xff, 0xff]);
  return Buffer.concat([isFirst ? Buffer.from([0x78, 0x01]) : Buffer.alloc(0), block, content, flush]);
}
