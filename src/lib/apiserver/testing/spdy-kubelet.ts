import type { Duplex } from "node:stream";
import { constants, inflateSync } from "node:zlib";

/** A stream that the other end opened, and what it sent. */
export interface HeardStream {
  readonly id: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly send: (bytes: Uint8Array, options?: { readonly last?: boolean }) => void;
}

/** The server's half of SPDY/3.1 (exec, attach), as much as tests need: every stream is told of, and its data. */
export function serveSpdy(
  socket: Duplex,
  heard: (stream: HeardStream, bytes: Buffer | undefined, ended: boolean) => void,
): { ping(id: number): void } {
  const streams = new Map<number, HeardStream>();
  let blocks = Buffer.alloc(0);
  let read = 0;
  let pending = Buffer.alloc(0);
  const frame = (first: Buffer, flags: number, body: Uint8Array): void => {
    const length = Buffer.alloc(4);
    length.writeUInt32BE(body.length);
    length[0] = flags;
    socket.write(Buffer.concat([first, length, body]));
  };
  const word = (value: number): Buffer => {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32BE(value >>> 0);
    return bytes;
  };
  const headersOf = (block: Buffer): Record<string, string> => {
    // As readers in Go want it: what comes before is handed on at an empty block.
    if (block.toString("hex", block.length - 5) !== "000000ffff") throw new Error("headers that do not end with a flush");
    blocks = Buffer.concat([blocks, block]);
    const all = inflateSync(blocks, { finishFlush: constants.Z_SYNC_FLUSH });
    const content = all.subarray(read);
    read = all.length;
    let offset = 4;
    const text = (): string => {
      const length = content.readUInt32BE(offset);
      offset += 4 + length;
      return content.toString("utf8", offset - length, offset);
    };
    return Object.fromEntries(Array.from({ length: content.readUInt32BE(0) }, () => [text(), text()]));
  };
  socket.on("data", (bytes: Buffer) => {
    pending = Buffer.concat([pending, bytes]);
    while (pending.length >= 8 && pending.length >= 8 + pending.readUIntBE(5, 3)) {
      const [first, flags, length] = [pending.readUInt32BE(0), pending[4] ?? 0, pending.readUIntBE(5, 3)];
      const body = pending.subarray(8, 8 + length);
      pending = pending.subarray(8 + length);
      if (first === 0x8003_0001) {
        const id = body.readUInt32BE(0);
        const send: HeardStream["send"] = (content, { last = false } = {}) => frame(word(id), last ? 1 : 0, content);
        streams.set(id, { id, headers: headersOf(body.subarray(10)), send });
        frame(word(0x8003_0002), 0, word(id));
      }
      const stream = streams.get(first >>> 31 === 1 ? body.readUInt32BE(0) : first);
      if (stream !== undefined) heard(stream, first >>> 31 === 1 ? undefined : body, (flags & 1) === 1);
    }
  });
  return { ping: (id) => frame(word(0x8003_0006), 0, word(id)) };
}
