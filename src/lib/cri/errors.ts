import { CodedError } from "#lib/runtime/errors.ts";

/** Bytes that are not the message they should be. */
export class MalformedMessage extends CodedError {
  constructor(message: string, reason: string) {
    super("MALFORMED_MESSAGE", `${message}: ${reason}`);
  }
}

/** Names of the gRPC status codes, by number (grpc/grpc `statuscodes.md`). */
const statusNames = [
  "OK",
  "CANCELLED",
  "UNKNOWN",
  "INVALID_ARGUMENT",
  "DEADLINE_EXCEEDED",
  "NOT_FOUND",
  "ALREADY_EXISTS",
  "PERMISSION_DENIED",
  "RESOURCE_EXHAUSTED",
  "FAILED_PRECONDITION",
  "ABORTED",
  "OUT_OF_RANGE",
  "UNIMPLEMENTED",
  "INTERNAL",
  "UNAVAILABLE",
  "DATA_LOSS",
  "UNAUTHENTICATED",
];

/** A call that the container runtime refused or that did not reach it. `status` is the gRPC status name, `details` the runtime's own words. */
export class CriError extends CodedError {
  readonly status: string;
  readonly details: string;

  constructor(method: string, statusNumber: number, details: string) {
    const status = statusNames[statusNumber] ?? `STATUS_${statusNumber}`;
    super("CRI_ERROR", `${method}: ${status}: ${details}`);
    this.status = status;
    this.details = details;
  }
}

/** True for the runtime's answer that a sandbox, container or image of this id is not there. */
export function isNotFound(error: unknown): boolean {
  return error instanceof CriError && error.status === "NOT_FOUND";
}

/** True when the runtime does not answer at all: it is down or starting. */
export function isUnavailable(error: unknown): boolean {
  return error instanceof CriError && error.status === "UNAVAILABLE";
}
