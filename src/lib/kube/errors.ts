import { CodedError } from "#lib/runtime/errors.ts";
import type { Status } from "./types.ts";

export class InvalidSelector extends CodedError {
  constructor(part: string, problem: string) {
    super("INVALID_SELECTOR", `selector ${JSON.stringify(part)}: ${problem}`);
  }
}

export class InvalidKubeconfig extends CodedError {
  constructor(file: string, field: string, problem: string) {
    super("INVALID_KUBECONFIG", `${file}: ${field}: ${problem}`);
  }
}

/** The API answered with a failure. `status` says why; `reason` is its stable name (`NotFound`, `Conflict`, …). */
export class KubeApiError extends CodedError {
  readonly status: Status;
  readonly httpStatus: number;

  constructor(request: string, httpStatus: number, status: Status) {
    super("KUBE_API_ERROR", `${request}: ${status.reason ?? httpStatus}: ${status.message ?? "no message"}`);
    this.status = status;
    this.httpStatus = httpStatus;
  }

  get reason(): string | undefined {
    return this.status.reason;
  }
}

/** No answer: refused, reset, timed out, or a certificate that does not verify. */
export class KubeUnreachable extends CodedError {
  constructor(server: string, cause: unknown) {
    super("KUBE_UNREACHABLE", `Kubernetes API ${server} does not answer: ${cause instanceof Error ? cause.message : String(cause)}`, {
      cause,
    });
  }
}

/** An open watch that said nothing for longer than its server would: the connection is taken for dead. */
export class WatchSilent extends CodedError {
  constructor(limitMs: number) {
    super("KUBE_WATCH_SILENT", `nothing heard for ${limitMs / 1_000} s`);
  }
}

/** A value that does not have the type of its field in the protobuf message of its kind. */
export class NotEncodable extends CodedError {
  constructor(field: string, wanted: string) {
    super("KUBE_NOT_ENCODABLE", `field ${field} cannot be written as protobuf: it is not ${wanted}`);
  }
}

/** An answer or a watch line that is no JSON object, or larger than the bound. */
export class KubeBadAnswer extends CodedError {
  constructor(request: string, problem: string) {
    super("KUBE_BAD_ANSWER", `${request}: ${problem}`);
  }
}

const hasReason = (error: unknown, reason: string): boolean => error instanceof KubeApiError && error.reason === reason;

export const isNotFound = (error: unknown): boolean => hasReason(error, "NotFound");
export const isConflict = (error: unknown): boolean => hasReason(error, "Conflict");
export const isAlreadyExists = (error: unknown): boolean => hasReason(error, "AlreadyExists");
/** The resourceVersion asked for is no longer kept: list again. */
export const isExpired = (error: unknown): boolean => hasReason(error, "Expired") || hasReason(error, "Gone");
