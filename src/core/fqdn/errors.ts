import { CodedError } from "#lib/runtime/errors.ts";

/** A snapshot of the FQDN cache that is not what was written. The agent starts without it and resolves anew. */
export class DamagedFqdnSnapshot extends CodedError {
  constructor(reason: string) {
    super("DAMAGED_FQDN_SNAPSHOT", `the snapshot of names and addresses: ${reason}`);
  }
}
