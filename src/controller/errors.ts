import { CodedError } from "#lib/runtime/errors.ts";

/** What stands in Secret antrea-ca is no pair of certificate and key. It is left as it is: whoever put it there has to say what is meant. */
export class UnusableAuthority extends CodedError {
  constructor(problem: string) {
    super("UNUSABLE_AUTHORITY", `Secret antrea-ca: ${problem}; put a right pair there, or empty its data to have one made`);
  }
}

export class UnusableCertificate extends CodedError {
  constructor(folder: string, problem: string) {
    super(
      "UNUSABLE_CERTIFICATE",
      `${folder}: ca.crt, tls.crt and tls.key are needed as selfSignedCert is false: ${problem}; mount Secret antrea-controller-tls there`,
    );
  }
}
