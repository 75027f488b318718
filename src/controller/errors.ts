import { CodedError } from "#lib/runtime/errors.ts";

export class UnusableCertificate extends CodedError {
  constructor(folder: string, problem: string) {
    super(
      "UNUSABLE_CERTIFICATE",
      `${folder}: ca.crt, tls.crt and tls.key are needed as selfSignedCert is false: ${problem}; mount Secret antrea-controller-tls there`,
    );
  }
}
