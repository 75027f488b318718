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

/** The switch refused a request. */
export class OpenFlowError extends CodedError {
  /** OpenFlow's name for it, such as `OFPBMC_BAD_PREREQ`. */
  readonly reason: string;
  /** What was refused, in ovs-ofctl's words where it has some. */
  readonly request: string;

  constructor(reason: string, request: string) {
    super("OPENFLOW_ERROR", `the switch refused ${request}: ${reason}`);
    this.reason = reason;
    this.request = request;
  }
}

/** One change that the switch refused. */
export interface RefusedChange<Change> {
  readonly change: Change;
  /** OpenFlow's name for why. */
  readonly reason: string;
}

/** Some of the changes asked for were refused. In a bundle, then, nothing of that bundle was done. */
export class ChangesRefused<Change> extends CodedError {
  readonly refused: readonly RefusedChange<Change>[];

  constructor(refused: readonly RefusedChange<Change>[], describe: (change: Change) => string) {
    const first = refused[0];
    const more = refused.length > 1 ? ` (and ${refused.length - 1} more)` : "";
    super(
      "CHANGES_REFUSED",
      first === undefined ? "the switch refused a bundle" : `the switch refused ${describe(first.change)}: ${first.reason}${more}`,
    );
    this.refused = refused;
  }
}

/** The connection is gone or was never made; what was under way may or may not have been done. */
export class OpenFlowConnectionLost extends CodedError {
  constructor(reason: string, options?: ErrorOptions) {
    super("OPENFLOW_CONNECTION_LOST", `the OpenFlow connection to the switch is gone: ${reason}`, options);
  }
}

/** The switch sent an answer that does not decode. */
export class MalformedReply extends CodedError {
  constructor(what: string, options?: ErrorOptions) {
    super("MALFORMED_REPLY", `the switch was asked for ${what} and its answer is cut short`, options);
  }
}
