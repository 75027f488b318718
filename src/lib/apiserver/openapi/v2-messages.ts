/**
 * The messages of `openapi.v2` (gnostic's OpenAPIv2.proto) that Kubernetes documents use, by their JSON fields: field number and kind.
 * `message` names the message of the field; `named` is a map: a message whose field 1
 * repeats pairs of name and value; `stringList` puts one string into field 1 of a message of its own; `any` is a JSON value kept as text.
 */
export type FieldKind =
  | { readonly number: number; readonly as: "string" | "bool" | "double" | "int64" | "any" }
  | { readonly number: number; readonly as: "strings" | "anys" | "stringList" }
  | { readonly number: number; readonly as: "message" | "messages" | "named"; readonly of: MessageName };

export type MessageName = "Document" | "Info" | "PathItem" | "Operation" | "Parameter" | "Response" | "Schema" | "Items" | "Additional";

export interface Message {
  readonly fields: Readonly<Record<string, FieldKind>>;
  /** Field of `x-…` extensions. */
  readonly extensions: number;
}

const string = (number: number): FieldKind => ({ number, as: "string" });
const strings = (number: number): FieldKind => ({ number, as: "strings" });
const bool = (number: number): FieldKind => ({ number, as: "bool" });
const double = (number: number): FieldKind => ({ number, as: "double" });
const int64 = (number: number): FieldKind => ({ number, as: "int64" });
const any = (number: number): FieldKind => ({ number, as: "any" });
const message = (number: number, of: MessageName): FieldKind => ({ number, as: "message", of });
const messages = (number: number, of: MessageName): FieldKind => ({ number, as: "messages", of });
const named = (number: number, of: MessageName): FieldKind => ({ number, as: "named", of });

const operation = (number: number): FieldKind => message(number, "Operation");

export const schemaMessage: Message = {
  extensions: 31,
  fields: {
    $ref: string(1),
    format: string(2),
    title: string(3),
    description: string(4),
    default: any(5),
    multipleOf: double(6),
    maximum: double(7),
    exclusiveMaximum: bool(8),
    minimum: double(9),
    exclusiveMinimum: bool(10),
    maxLength: int64(11),
    minLength: int64(12),
    pattern: string(13),
    maxItems: int64(14),
    minItems: int64(15),
    uniqueItems: bool(16),
    maxProperties: int64(17),
    minProperties: int64(18),
    required: strings(19),
    enum: { number: 20, as: "anys" },
    additionalProperties: message(21, "Additional"),
    type: { number: 22, as: "stringList" },
    items: message(23, "Items"),
    allOf: messages(24, "Schema"),
    properties: named(25, "Schema"),
  },
};

/** `name`, `in`, … of a parameter in the query or the path share one layout, but for a shift by one. */
const plainParameter = (shift: number): Message => ({
  extensions: 22 + shift,
  fields: {
    required: bool(1),
    in: string(2),
    description: string(3),
    name: string(4),
    type: string(5 + shift),
    format: string(6 + shift),
    uniqueItems: bool(19 + shift),
  },
});

export const bodyParameter: Message = {
  extensions: 6,
  fields: { description: string(1), name: string(2), in: string(3), required: bool(4), schema: message(5, "Schema") },
};
export const queryParameter = plainParameter(1);
export const pathParameter = plainParameter(0);

export const document: Message = {
  extensions: 16,
  fields: { swagger: string(1), info: message(2, "Info") },
};
export const infoMessage: Message = { extensions: 7, fields: { title: string(1), version: string(2), description: string(3) } };

export const pathItem: Message = {
  extensions: 10,
  fields: {
    get: operation(2),
    put: operation(3),
    post: operation(4),
    delete: operation(5),
    options: operation(6),
    head: operation(7),
    patch: operation(8),
    parameters: messages(9, "Parameter"),
  },
};

export const operationMessage: Message = {
  extensions: 13,
  fields: {
    tags: strings(1),
    summary: string(2),
    description: string(3),
    operationId: string(5),
    produces: strings(6),
    consumes: strings(7),
    parameters: messages(8, "Parameter"),
    schemes: strings(10),
    deprecated: bool(11),
  },
};

/** `schema` stands in a SchemaItem of its own: see the encoder. */
export const response: Message = { extensions: 5, fields: { description: string(1) } };
