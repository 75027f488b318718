import { headerBytes, type Message } from "./header.ts";

/** What came of a chunk: whole messages in order, and why the stream cannot go on, if so. */
export interface Frames {
  readonly messages: readonly Message[];
  readonly failure?: string;
}

/** Cuts a byte stream into messages. A message says its length in 16 bits, so at most 64 KiB wait here. */
export interface FrameDecoder {
  push(chunk: Uint8Array): Frames;
}

export function createFrameDecoder(): FrameDecoder {
  let pending: Uint8Array = new Uint8Array(0);
  let failure: string | undefined;
  return {
    push(chunk) {
      if (failure !== undefined) return { messages: [], failure };
      const joined = pending.length === 0 ? chunk : Buffer.concat([pending, chunk]);
      // A plain array, as slices of a Buffer would share its memory for good.
      const bytes = new Uint8Array(joined.buffer, joined.byteOffset, joined.byteLength);
      const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
      const messages: Message[] = [];
      let start = 0;
      while (bytes.length - start >= headerBytes) {
        const length = view.getUint16(start + 2);
        if (length < headerBytes) {
          failure = `a message says it is ${length} bytes long, less than its header`;
          return { messages, failure };
        }
        if (bytes.length - start < length) break;
        messages.push({
          version: view.getUint8(start),
          type: view.getUint8(start + 1),
          xid: view.getUint32(start + 4),
          body: bytes.subarray(start + headerBytes, start + length),
        });
        start += length;
      }
      pending = bytes.subarray(start);
      return { messages };
    },
  };
}
