import type { Status, StatusCause } from "#lib/kube/types.ts";
import { CodedError } from "#lib/runtime/errors.ts";
import { causeOf, type FieldError } from "./field-error.ts";
import { qualifiedName, type ResourceRef } from "./resource.ts";
import type { ListenAddress } from "./http/listener.ts";

/** The address cannot be listened on. */
export class ListenFailed extends CodedError {
  constructor(address: ListenAddress, failure: { readonly code: string | undefined; readonly cause: unknown }) {
    const where = "path" in address ? address.path : `${address.host} port ${address.port}`;
    const why = failure.code === "EADDRINUSE" ? "it is in use: stop what listens there or choose another" : String(failure.cause);
    super("LISTEN_FAILED", `cannot listen on ${where}: ${why}`, { cause: failure.cause });
  }
}

/** A failure that the client is told as `metav1.Status`. `code` is its reason; `httpStatus` its HTTP status. */
export class StatusError extends CodedError {
  readonly httpStatus: number;
  readonly details: NonNullable<Status["details"]>;

  constructor(httpStatus: number, reason: string, message: string, details: NonNullable<Status["details"]> = {}) {
    super(reason, message);
    this.httpStatus = httpStatus;
    this.details = details;
  }

  get status(): Status {
    return {
      kind: "Status",
      apiVersion: "v1",
      metadata: {},
      status: "Failure",
      message: this.message,
      reason: this.code,
      ...(Object.keys(this.details).length === 0 ? {} : { details: this.details }),
      code: this.httpStatus,
    };
  }
}

const named = (resource: ResourceRef, name: string): NonNullable<Status["details"]> => ({
  ...(name === "" ? {} : { name }),
  ...(resource.group === "" ? {} : { group: resource.group }),
  kind: resource.resource,
});

export const notFound = (resource: ResourceRef, name: string): StatusError =>
  new StatusError(404, "NotFound", `${qualifiedName(resource)} "${name}" not found`, named(resource, name));

export const unknownPath = (): StatusError => new StatusError(404, "NotFound", "the server could not find the requested resource");

export const alreadyExists = (resource: ResourceRef, name: string): StatusError =>
  new StatusError(409, "AlreadyExists", `${qualifiedName(resource)} "${name}" already exists`, named(resource, name));

/** The object changed since the client read it. */
export const conflict = (resource: ResourceRef, name: string, why?: string): StatusError =>
  new StatusError(
    409,
    "Conflict",
    `Operation cannot be fulfilled on ${qualifiedName(resource)} "${name}": ${
      why ?? "the object has been modified; please apply your changes to the latest version and try again"
    }`,
    named(resource, name),
  );

/** An apply would change `count` fields that others have set, these among them: `force` takes them over. */
export function applyConflict(
  conflicts: readonly { readonly manager: string; readonly field: string }[],
  count = conflicts.length,
): StatusError {
  const byManager = Map.groupBy(conflicts, ({ manager }) => manager);
  const lines = [...byManager].map(([manager, fields]) => `conflict with ${manager}: ${fields.map(({ field }) => field).join(", ")}`);
  if (count > conflicts.length) lines.push(`and ${count - conflicts.length} more`);
  return new StatusError(409, "Conflict", `Apply failed with ${count} conflict${count === 1 ? "" : "s"}: ${lines.join("\n")}`, {
    causes: conflicts.map(({ manager, field }) => ({ reason: "FieldManagerConflict", message: `conflict with ${manager}`, field })),
  });
}

/** Wrong fields of one object that a client is told of: a body of 3 MiB may hold a million, and each costs more to tell than to send. */
const mostErrors = 1_000;

/** Wrong fields. `kind` is the object's kind, as people read it: `NetworkPolicy.networking.k8s.io "x" is invalid: …`. */
export function invalidObject(
  kind: { readonly group: string; readonly kind: string },
  name: string,
  errors: readonly FieldError[],
): StatusError {
  const told = errors.slice(0, mostErrors);
  const more = errors.length - told.length;
  const lines = [...told.map(({ field, message }) => `${field}: ${message}`), ...(more > 0 ? [`and ${more} more`] : [])];
  return new StatusError(
    422,
    "Invalid",
    `${qualifiedName({ group: kind.group, resource: kind.kind })} "${name}" is invalid: ${lines.length === 1 ? lines[0] : `[${lines.join(", ")}]`}`,
    { name, ...(kind.group === "" ? {} : { group: kind.group }), kind: kind.kind, causes: told.map(causeOf) },
  );
}

export const badRequest = (message: string, causes?: readonly StatusCause[]): StatusError =>
  new StatusError(400, "BadRequest", message, causes === undefined ? {} : { causes });

export const unauthorized = (): StatusError => new StatusError(401, "Unauthorized", "Unauthorized");

export const forbidden = (resource: ResourceRef, name: string, why: string): StatusError =>
  new StatusError(
    403,
    "Forbidden",
    `${qualifiedName(resource)}${name === "" ? "" : ` "${name}"`} is forbidden: ${why}`,
    named(resource, name),
  );

export const forbiddenPath = (path: string, why: string): StatusError =>
  new StatusError(403, "Forbidden", `forbidden: ${why}`, { causes: [{ field: path, message: why }] });

/** A namespaced object cannot be made in a namespace that is going. */
export const namespaceTerminating = (resource: ResourceRef, name: string, namespace: string): StatusError =>
  new StatusError(
    403,
    "Forbidden",
    `${qualifiedName(resource)} "${name}" is forbidden: unable to create new content in namespace ${namespace} because it is being terminated`,
    {
      ...named(resource, name),
      causes: [{ reason: "NamespaceTerminating", message: `namespace ${namespace} is being terminated`, field: "metadata.namespace" }],
    },
  );

export const methodNotAllowed = (resource: ResourceRef, verb: string): StatusError =>
  new StatusError(
    405,
    "MethodNotAllowed",
    `${verb} is not supported on resources of kind "${qualifiedName(resource)}"`,
    named(resource, ""),
  );

export const notAcceptable = (accepted: readonly string[]): StatusError =>
  new StatusError(406, "NotAcceptable", `only the following media types are accepted: ${accepted.join(", ")}`);

export const unsupportedMediaType = (got: string, accepted: readonly string[]): StatusError =>
  new StatusError(
    415,
    "UnsupportedMediaType",
    `the body of the request was in an unknown format (${got}) - accepted media types include: ${accepted.join(", ")}`,
  );

/** The resourceVersion asked for is no longer kept: list again. */
export const expired = (message: string): StatusError => new StatusError(410, "Expired", message);

export const tooLargeVersion = (asked: string, current: string): StatusError =>
  new StatusError(504, "Timeout", `Too large resource version: ${asked}, current: ${current}`, {
    causes: [{ reason: "ResourceVersionTooLarge", message: "Too large resource version" }],
    retryAfterSeconds: 1,
  });

/** A body, or the object that it makes, holds more than this server deals with in one piece. */
export const tooManyFields = (what: string, limit: number): StatusError =>
  new StatusError(413, "RequestEntityTooLarge", `${what} has more than ${limit} fields and items`);

/** As much as etcd stores in one piece, beyond which a real API server has it refuse. */
export const objectTooLarge = (limitBytes: number): StatusError =>
  new StatusError(413, "RequestEntityTooLarge", `the object is larger than ${limitBytes} bytes, with the owners of its fields`);

export const bodyTooLarge = (limitBytes: number, form?: string): StatusError =>
  new StatusError(
    413,
    "RequestEntityTooLarge",
    `the body of the request is larger than ${limitBytes} bytes${form === undefined ? "" : ` of ${form}`}`,
  );

/** Not now, for a reason of the objects' own: a disruption budget. */
export const tooManyRequests = (message: string, causes: readonly StatusCause[] = []): StatusError =>
  new StatusError(429, "TooManyRequests", message, { causes });

/** Not now: others are being served. */
export const comeBackLater = (message: string, retryAfterSeconds: number): StatusError =>
  new StatusError(429, "TooManyRequests", message, { retryAfterSeconds });

export const serviceUnavailable = (message: string): StatusError => new StatusError(503, "ServiceUnavailable", message);

export const internalError = (message: string): StatusError =>
  new StatusError(500, "InternalError", `Internal error occurred: ${message}`, { causes: [{ message }] });

/** What the client is told of anything thrown. */
export function statusErrorOf(error: unknown): StatusError {
  if (error instanceof StatusError) return error;
  return internalError(error instanceof Error ? error.message : String(error));
}
