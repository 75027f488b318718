import { CodedError } from "#lib/runtime/errors.ts";

export class UnusableCertificate extends CodedError {
  constructor(folder: string, problem: string) {
    super(
      "UNUSABLE_CERTIFICATE",
      `${folder}: ca.crt, tls.crt and tls.key are needed as selfSignedCert is false: ${problem}; mount Secret antrea-controller-tls there`,
    );
  }
}

export class NotReady extends CodedError {
  constructor(problem: string) {
    super("NOT_READY", problem);
  }
}

export class NoCluster extends CodedError {
  constructor(problem: string) {
    super("NO_CLUSTER", `no Kubernetes API is known: ${problem}; run in a Pod, or set clientConnection.kubeconfig in the configuration`);
  }
}
