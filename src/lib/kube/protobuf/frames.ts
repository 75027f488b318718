import { BinaryReader, BinaryWriter, WireType } from "@bufbuild/protobuf/wire";

/** Before each event of a protobuf watch stands its length, 4 bytes, most significant first. */
const headerBytes = 4;

/** One event of a watch as `application/vnd.kubernetes.protobuf;stream=watch` has it: its length, then `metav1.WatchEvent`, whose object has its own envelope. */
export function watchFrame(type: string, object: Uint8Array): Buffer {
  const writer = new BinaryWriter();
  writer.tag(1, WireType.LengthDelimited).string(type);
  // RawExtension.raw
  writer.tag(2, WireType.LengthDelimited).fork().tag(1, WireType.LengthDelimited).bytes(object).join();
  const event = writer.finish();
  const frame = Buffer.allocUnsafe(headerBytes + event.length);
  frame.writeUInt32BE(event.length);
  frame.set(event, headerBytes);
  return frame;
}

/** The type and the object's bytes of an event; undefined when the bytes are no event. */
export function readWatchEvent(bytes: Uint8Array): { readonly type: string; readonly object: Uint8Array } | undefined {
  try {
    const event = new BinaryReader(bytes);
    let type = "";
    let object: Uint8Array = new Uint8Array();
    while (event.pos < event.len) {
      const [number, wire] = event.tag();
      if (number === 1 && wire === WireType.LengthDelimited) type = event.string();
      else if (number === 2 && wire === WireType.LengthDelimited) object = rawOf(event.bytes());
      else event.skip(wire, number);
    }
    return { type, object };
  } catch {
    // the reader throws errors of several kinds, all of which say that the bytes are no message
    return undefined;
  }
}

function rawOf(bytes: Uint8Array): Uint8Array {
  const reader = new BinaryReader(bytes);
  while (reader.pos < reader.len) {
    const [number, wire] = reader.tag();
    if (number === 1 && wire === WireType.LengthDelimited) return reader.bytes();
    reader.skip(wire, number);
  }
  return new Uint8Array();
}

/** Cuts a stream of bytes into the contents of frames. Bounded: a longer frame is a failure, told by `overflow`. */
export function createFrameSplitter(limitBytes: number): {
  push(chunk: Uint8Array): { readonly frames: Uint8Array[]; readonly overflow: boolean };
} {
  let pending: Buffer[] = [];
  let pendingBytes = 0;
  return {
    push(chunk) {
      const frames: Uint8Array[] = [];
      if (chunk.length > 0) pending.push(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength));
      pendingBytes += chunk.length;
      for (;;) {
        if (pendingBytes < headerBytes) return { frames, overflow: false };
        if ((pending[0] as Buffer).length < headerBytes) pending = [Buffer.concat(pending)];
        const length = (pending[0] as Buffer).readUInt32BE(0);
        if (length > limitBytes) return { frames, overflow: true };
        if (pendingBytes < headerBytes + length) return { frames, overflow: false };
        const whole = pending.length === 1 ? (pending[0] as Buffer) : Buffer.concat(pending);
        frames.push(whole.subarray(headerBytes, headerBytes + length));
        const rest = whole.subarray(headerBytes + length);
        pending = rest.length === 0 ? [] : [rest];
        pendingBytes = rest.length;
      }
    },
  };
}
