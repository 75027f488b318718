import { CodedError } from "#lib/runtime/errors.ts";

/** A packet that no wire could carry: too long, or options of a wrong length. */
export class UnencodablePacket extends CodedError {
  constructor(layer: string, reason: string) {
    super("UNENCODABLE_PACKET", `${layer}: ${reason}`);
  }
}
