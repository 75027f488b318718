import { StatusError } from "../errors.ts";

/** A patch that was not applied. */
export class PatchError extends StatusError {}

/** The patch itself is malformed, whatever it is applied to. */
export class InvalidPatch extends PatchError {
  constructor(message: string) {
    super(400, "BadRequest", message);
  }
}

/** The patch is well formed, but this object does not take it: a missing path, a failed test. */
export class PatchNotApplicable extends PatchError {
  constructor(message: string) {
    super(422, "Invalid", message);
  }
}

/** The patch is past a bound of this server. */
export class PatchTooLarge extends PatchError {
  constructor(message: string) {
    super(413, "RequestEntityTooLarge", message);
  }
}
