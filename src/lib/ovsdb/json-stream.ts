import { OvsdbProtocolError } from "./errors.ts";

/** Most that one JSON text may take. The first content of a bridge with 1 000 ports is about 2 MB. */
export const largestMessageBytes = 32 * 1024 * 1024;

/** JSON-RPC of OVSDB needs 8 levels; more is an attack or an error. */
const deepestNesting = 64;

/** Cuts a stream of JSON objects that follow each other without a separator (RFC 7047 §4) into values. */
export interface JsonStream {
  /** The values completed by `chunk`, in order. Throws OvsdbProtocolError on what can be no JSON, too large or too deep; then the stream is dead. */
  push(chunk: Uint8Array): unknown[];
}

export function createJsonStream(options: { readonly where: string; readonly limitBytes?: number }): JsonStream {
  const limit = options.limitBytes ?? largestMessageBytes;
  let kept: Buffer[] = [];
  let keptBytes = 0;
  let depth = 0;
  let inString = false;
  let escaped = false;

  const fail = (what: string): never => {
    throw new OvsdbProtocolError(options.where, what);
  };
  const parse = (bytes: Buffer): unknown => {
    try {
      return JSON.parse(bytes.toString("utf8"));
    } catch (error) {
      return fail(`not JSON: ${error instanceof Error ? error.message : error}`);
    }
  };

  return {
    push(chunk) {
      const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
      const values: unknown[] = [];
      let start = 0;
      for (let index = 0; index < bytes.length; index++) {
        const byte = bytes[index];
        if (inString) {
          if (escaped) escaped = false;
          else if (byte === 0x5c) escaped = true;
          else if (byte === 0x22) inString = false;
        } else if (byte === 0x7b || byte === 0x5b) {
          if (depth === 0 && byte !== 0x7b) fail("a message must be a JSON object");
          if (depth === 0) start = index;
          if (++depth > deepestNesting) fail(`nested deeper than ${deepestNesting} levels`);
        } else if (byte === 0x7d || byte === 0x5d) {
          if (--depth < 0) fail("closes what was not opened");
          if (depth === 0) {
            const last = bytes.subarray(start, index + 1);
            if (keptBytes + last.length > limit) fail(`a message of more than ${limit} bytes`);
            values.push(parse(keptBytes === 0 ? last : Buffer.concat([...kept, last])));
            kept = [];
            keptBytes = 0;
            start = index + 1;
          }
        } else if (depth === 0) {
          if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) fail("a message must be a JSON object");
        } else if (byte === 0x22) inString = true;
      }
      if (depth > 0) {
        const rest = Buffer.from(bytes.subarray(start));
        keptBytes += rest.length;
        if (keptBytes > limit) fail(`a message of more than ${limit} bytes`);
        kept.push(rest);
      }
      return values;
    },
  };
}
