import { messageLimit } from "./message.ts";

const lengthBytes = 2;

/** Cuts a stream into messages: over TCP each has its length in front (RFC 1035 §4.2.2). */
export interface MessageSplitter {
  /** The messages that `chunk` completes, without their lengths. They share memory with the chunks. */
  push(chunk: Uint8Array): Uint8Array[];
  /** Bytes kept of a message that is not complete: at most {@link messageLimit} and its length. */
  readonly kept: number;
}

export function createMessageSplitter(): MessageSplitter {
  let kept = new Uint8Array(0);
  return {
    push(chunk) {
      let rest = kept.length === 0 ? chunk : concat(kept, chunk);
      const messages: Uint8Array[] = [];
      for (;;) {
        const length = ((rest[0] ?? 0) << 8) | (rest[1] ?? 0);
        if (rest.length < lengthBytes || rest.length < lengthBytes + length) break;
        messages.push(rest.subarray(lengthBytes, lengthBytes + length));
        rest = rest.subarray(lengthBytes + length);
      }
      kept = rest.slice();
      return messages;
    },
    get kept() {
      return kept.length;
    },
  };
}

/** The message with its length in front. */
export function framed(message: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(lengthBytes + Math.min(message.length, messageLimit));
  bytes[0] = message.length >>> 8;
  bytes[1] = message.length & 0xff;
  bytes.set(message.subarray(0, messageLimit), lengthBytes);
  return bytes;
}

function concat(one: Uint8Array, other: Uint8Array): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(one.length + other.length);
  bytes.set(one);
  bytes.set(other, one.length);
  return bytes;
}
