import { Reader, type Writer } from "#lib/bytes/index.ts";
import { endMessage, messageType, startMessage } from "./header.ts";

/** `OFPBCT_*`: a reply is its request plus one. */
export const bundleControl = { openRequest: 0, closeRequest: 2, commitRequest: 4, discardRequest: 6 } as const;

/** Atomic and ordered: all or nothing, in the order added. */
const flags = 3;

export function writeBundleControl(writer: Writer, type: number, bundle: number, xid: number): void {
  const start = startMessage(writer, messageType.bundleControl, xid);
  writer.uint32(bundle).uint16(type).uint16(flags);
  endMessage(writer, start);
}

/** Writes the frame around one message of a bundle; `write` writes that message with the same xid. */
export function writeBundleAdd(writer: Writer, bundle: number, xid: number, write: () => void): void {
  const start = startMessage(writer, messageType.bundleAdd, xid);
  writer.uint32(bundle).zeros(2).uint16(flags);
  write();
  endMessage(writer, start);
}

/** Reads the body of a bundle control message. Throws OutOfBytes when it is cut short. */
export function readBundleControl(body: Uint8Array): { readonly bundle: number; readonly type: number } {
  const reader = new Reader(body);
  return { bundle: reader.uint32(), type: reader.uint16() };
}
