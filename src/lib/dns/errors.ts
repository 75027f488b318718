import { CodedError } from "#lib/runtime/errors.ts";

/** A DNS message that no wire could carry: a label over 63 bytes, a name over 255, a message over 64 KiB, an empty label inside a name. */
export class UnencodableMessage extends CodedError {
  constructor(what: string, reason: string) {
    super("UNENCODABLE_DNS_MESSAGE", `${what}: ${reason}`);
  }
}
