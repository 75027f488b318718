import { CodedError } from "#lib/runtime/errors.ts";

/** A flag of the kubelet that cannot be. */
export class InvalidKubeletOption extends CodedError {
  constructor(flag: string, problem: string) {
    super("INVALID_KUBELET_OPTION", `lab-kubelet: ${flag}: ${problem}`);
  }
}

/** A pod asks for something that is missing: the pod waits, and its event says what for. `reason` is the event's reason. */
export class PodBlocked extends CodedError {
  readonly reason: string;

  constructor(reason: string, message: string, options?: ErrorOptions) {
    super("POD_BLOCKED", message, options);
    this.reason = reason;
  }
}

/** A container can't be made yet. `reason` is what its waiting state shows. */
export class ContainerBlocked extends CodedError {
  readonly reason: string;

  constructor(reason: string, message: string) {
    super("CONTAINER_BLOCKED", message);
    this.reason = reason;
  }
}

/** A request to the kubelet's server that gets a plain HTTP error. */
export class RequestRefused extends CodedError {
  readonly httpStatus: number;

  constructor(httpStatus: number, message: string) {
    super("REQUEST_REFUSED", message);
    this.httpStatus = httpStatus;
  }
}
