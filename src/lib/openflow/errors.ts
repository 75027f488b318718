import { CodedError } from "#lib/runtime/errors.ts";

/** Text that is not ovs-ofctl syntax, or says what no switch could do. */
export class InvalidFlowText extends CodedError {
  constructor(text: string, reason: string) {
    super("INVALID_FLOW_TEXT", `${JSON.stringify(text)} ${reason}`);
  }
}

/** A flow, group or meter that cannot be put on the wire: a value that does not fit its field, a message over 64 KiB. */
export class UnencodableFlow extends CodedError {
  constructor(what: string, reason: string) {
    super("UNENCODABLE_FLOW", `${what}: ${reason}`);
  }
}
