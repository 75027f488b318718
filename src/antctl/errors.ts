import { CodedError } from "#lib/runtime/errors.ts";

export class UnsupportedValue extends CodedError {
  constructor(value: string, flag: string) {
    super("UNSUPPORTED_VALUE", `unsupported value ${value} for flag ${flag}`);
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
