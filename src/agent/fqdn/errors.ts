import { CodedError } from "#lib/runtime/errors.ts";

/** No DNS server told the addresses of a name. What is known of it stands, and it is asked for again. */
export class NoDnsAnswer extends CodedError {
  constructor(name: string, reason: string) {
    super("NO_DNS_ANSWER", `${name}: ${reason}`);
  }
}
