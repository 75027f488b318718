/** Largest single watch event: etcd refuses objects over 1.5 MiB; groups of a policy controller may reach tens of MB. */
export const maxLineBytes = 64 * 1024 * 1024;

/** Cuts a stream of bytes into lines. Bounded: a longer line is a failure, told by `overflow`. */
export function createLineSplitter(limit = maxLineBytes): {
  push(chunk: Uint8Array): { readonly lines: string[]; readonly overflow: boolean };
} {
  let pending: Buffer[] = [];
  let pendingBytes = 0;
  return {
    push(chunk) {
      const lines: string[] = [];
      const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
      let start = 0;
      for (let end = bytes.indexOf(0x0a); end >= 0; end = bytes.indexOf(0x0a, start)) {
        const part = bytes.subarray(start, end);
        if (pendingBytes + part.length > limit) return { lines, overflow: true };
        lines.push(pending.length === 0 ? part.toString("utf8") : Buffer.concat([...pending, part]).toString("utf8"));
        pending = [];
        pendingBytes = 0;
        start = end + 1;
      }
      if (start < bytes.length) {
        pending.push(bytes.subarray(start));
        pendingBytes += bytes.length - start;
      }
      return { lines, overflow: pendingBytes > limit };
    },
  };
}
