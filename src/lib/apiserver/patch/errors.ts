import { CodedError } from "#lib/runtime/errors.ts";

/** A patch that was not applied, in terms of a `metav1.Status`. */
export class PatchError extends CodedError {
  readonly httpStatus: number;
  /** `reason` of the Status. */
  readonly reason: string;

  constructor(code: string, failure: { readonly httpStatus: number; readonly reason: string; readonly message: string }) {
    super(code, failure.message);
    this.httpStatus = failure.httpStatus;
    this.reason = failure.reason;
  }
}

/** The patch itself is malformed, whatever it is applied to. */
export class InvalidPatch extends PatchError {
  constructor(message: string) {
    super("INVALID_PATCH", { httpStatus: 400, reason: "BadRequest", message });
  }
}

/** The patch is well formed, but this object does not take it: a missing path, a failed test. */
export class PatchNotApplicable extends PatchError {
  constructor(message: string) {
    super("PATCH_NOT_APPLICABLE", { httpStatus: 422, reason: "Invalid", message });
  }
}

/** The patch is past a bound of this server. */
export class PatchTooLarge extends PatchError {
  constructor(message: string) {
    super("PATCH_TOO_LARGE", { httpStatus: 413, reason: "RequestEntityTooLarge", message });
  }
}
