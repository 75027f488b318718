import { CodedError } from "#lib/runtime/errors.ts";

/** The executable cannot be built here. */
export class CniBuildFailed extends CodedError {
  constructor(reason: string) {
    super("CNI_BUILD", `antrea-cni cannot be built: ${reason}`);
  }
}
