import { CodedError } from "#lib/runtime/errors.ts";

/** A flag or an argument has a value that it cannot have. */
export class UnsupportedValue extends CodedError {
  /** `allowed` says what it can be: `one of table, json`. */
  constructor(value: string, flag: string, allowed: string) {
    super("UNSUPPORTED_VALUE", `unsupported value ${value} for flag ${flag}: ${allowed}`);
  }
}

/** The command does not exist where antctl runs. */
export class NotInThisMode extends CodedError {
  constructor(command: string, mode: string, modes: readonly string[]) {
    super(
      "NOT_IN_THIS_MODE",
      `${command}: not available in ${mode} mode, only in ${modes.join(" and ")} mode: run it inside such a Pod, or with antctl lab exec NODE -- antctl …`,
    );
  }
}

/** Nothing says which cluster is meant. */
export class NoKubeconfig extends CodedError {
  constructor(file: string) {
    super(
      "NO_KUBECONFIG",
      `no cluster to ask: name one by --kubeconfig or KUBECONFIG (there is no ${file}); a lab's is the one that antctl lab status shows`,
    );
  }
}

/** The component answered with a failure, or not at all. */
export class EndpointFailed extends CodedError {
  /** HTTP status of the answer; undefined when there was none. */
  readonly status: number | undefined;

  constructor(where: string, problem: string, { status }: { readonly status?: number } = {}) {
    super("ENDPOINT_FAILED", `${where}: ${problem}`);
    this.status = status;
  }
}

/** There is no such policy, or there are several. */
export class PolicyNotFound extends CodedError {
  constructor(problem: string) {
    super("POLICY_NOT_FOUND", problem);
  }
}
