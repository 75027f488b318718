import type { StatusCause } from "#lib/kube/types.ts";

/** The kinds of `field.ErrorType` that users meet. */
export type FieldErrorType =
  | "FieldValueInvalid"
  | "FieldValueRequired"
  | "FieldValueNotSupported"
  | "FieldValueForbidden"
  | "FieldValueDuplicate"
  | "FieldValueTooLong"
  | "FieldValueTooMany"
  | "FieldValueTypeInvalid"
  | "FieldValueNotFound";

/** One wrong field of an object: a path such as `spec.ingress[0].ports[1].port`, and what is wrong with its value. */
export interface FieldError {
  readonly type: FieldErrorType;
  readonly field: string;
  /** As shown to people, in the words of Kubernetes: `Invalid value: "x": must be …`. */
  readonly message: string;
}

export const invalid = (field: string, value: unknown, detail: string): FieldError => ({
  type: "FieldValueInvalid",
  field,
  message: `Invalid value: ${shown(value)}: ${detail}`,
});

export const required = (field: string, detail = ""): FieldError => ({
  type: "FieldValueRequired",
  field,
  message: withDetail("Required value", detail),
});

export const notSupported = (field: string, value: unknown, supported: readonly string[]): FieldError => ({
  type: "FieldValueNotSupported",
  field,
  message: `Unsupported value: ${shown(value)}: supported values: ${supported.map((one) => JSON.stringify(one)).join(", ")}`,
});

export const forbiddenField = (field: string, detail: string): FieldError => ({
  type: "FieldValueForbidden",
  field,
  message: withDetail("Forbidden", detail),
});

export const duplicate = (field: string, value: unknown): FieldError => ({
  type: "FieldValueDuplicate",
  field,
  message: `Duplicate value: ${shown(value)}`,
});

export const tooLong = (field: string, limit: number): FieldError => ({
  type: "FieldValueTooLong",
  field,
  message: `Too long: may not be more than ${limit} bytes`,
});

export const tooMany = (field: string, count: number, limit: number): FieldError => ({
  type: "FieldValueTooMany",
  field,
  message: `Too many: ${count}: must have at most ${limit} items`,
});

export const wrongType = (field: string, value: unknown, detail: string): FieldError => ({
  type: "FieldValueTypeInvalid",
  field,
  message: `Invalid value: ${shown(value)}: ${detail}`,
});

export const notFoundField = (field: string, value: unknown): FieldError => ({
  type: "FieldValueNotFound",
  field,
  message: `Not found: ${shown(value)}`,
});

/** As it stands in `status.details.causes`. */
export const causeOf = ({ type, field, message }: FieldError): StatusCause => ({ reason: type, message, field });

/** Longest value repeated in a message: what a person can still read. */
const shownLength = 200;

function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? "null";
  return text.length > shownLength ? `${text.slice(0, shownLength)}…` : text;
}

function withDetail(message: string, detail: string): string {
  return detail === "" ? message : `${message}: ${detail}`;
}
