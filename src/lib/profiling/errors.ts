import { CodedError } from "#lib/runtime/errors.ts";

/** A profile that cannot be made as asked. Its status is what an API answers with. */
export class ProfileRefused extends CodedError {
  readonly status: 400 | 409;

  constructor(status: 400 | 409, problem: string) {
    super("PROFILE_REFUSED", problem);
    this.status = status;
  }
}
