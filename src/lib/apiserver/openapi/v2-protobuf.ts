import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import type { Json, JsonObject } from "./schema.ts";
import {
  bodyParameter,
  document as documentMessage,
  type FieldKind,
  infoMessage,
  type Message,
  type MessageName,
  operationMessage,
  pathItem,
  pathParameter,
  queryParameter,
  response,
  schemaMessage,
} from "./v2-messages.ts";

/** The OpenAPI 2 document as message `openapi.v2.Document`: the form that kubectl asks for. */
export function encodeV2(document: JsonObject): Uint8Array {
  const writer = new BinaryWriter();
  write(writer, "Document", document);
  return writer.finish();
}

type Write = (writer: BinaryWriter, value: Json) => void;

const isObject = (value: Json | undefined): value is JsonObject => typeof value === "object" && value !== null && !Array.isArray(value);
const asObject = (value: Json | undefined): JsonObject => (isObject(value) ? value : {});
const asList = (value: Json | undefined): readonly Json[] => (Array.isArray(value) ? value : []);

const writers: Readonly<Record<MessageName, Write>> = {
  Document(writer, value) {
    const { paths, definitions } = asObject(value);
    fields(writer, documentMessage, value);
    nested(writer, 8, () => writeNamed(writer, 2, paths, "PathItem"));
    nested(writer, 9, () => writeNamed(writer, 1, definitions, "Schema"));
  },
  Info: (writer, value) => fields(writer, infoMessage, value),
  PathItem: (writer, value) => fields(writer, pathItem, value),
  Operation(writer, value) {
    fields(writer, operationMessage, value);
    const { responses } = asObject(value);
    // Responses.response_code → NamedResponseValue.value → ResponseValue.response
    nested(writer, 9, () => writeNamed(writer, 1, responses, "Response"));
  },
  Parameter(writer, value) {
    const { in: place } = asObject(value);
    // ParametersItem.parameter → Parameter.body_parameter, or Parameter.non_body_parameter → its kind
    nested(writer, 1, () => {
      if (place === "body") nested(writer, 1, () => fields(writer, bodyParameter, value));
      else
        nested(writer, 2, () =>
          nested(writer, place === "path" ? 4 : 3, () => fields(writer, place === "path" ? pathParameter : queryParameter, value)),
        );
    });
  },
  Response(writer, value) {
    nested(writer, 1, () => {
      fields(writer, response, value);
      const { schema } = asObject(value);
      if (schema !== undefined) nested(writer, 2, () => nested(writer, 1, () => write(writer, "Schema", schema)));
    });
  },
  Schema: (writer, value) => fields(writer, schemaMessage, value),
  Items: (writer, value) => nested(writer, 1, () => write(writer, "Schema", value)),
  Additional(writer, value) {
    if (typeof value === "boolean") writer.tag(2, WireType.Varint).bool(value);
    else nested(writer, 1, () => write(writer, "Schema", value));
  },
};

function write(writer: BinaryWriter, name: MessageName, value: Json): void {
  writers[name](writer, value);
}

function fields(writer: BinaryWriter, message: Message, value: Json): void {
  for (const [name, inner] of Object.entries(asObject(value))) {
    const field = Object.hasOwn(message.fields, name) ? message.fields[name] : undefined;
    if (field !== undefined) writeField(writer, field, inner);
    else if (name.startsWith("x-"))
      nested(writer, message.extensions, () => {
        writer.tag(1, WireType.LengthDelimited).string(name);
        nested(writer, 2, () => writer.tag(2, WireType.LengthDelimited).string(JSON.stringify(inner)));
      });
  }
}

function writeField(writer: BinaryWriter, field: FieldKind, value: Json): void {
  const { number } = field;
  switch (field.as) {
    case "string":
      writer.tag(number, WireType.LengthDelimited).string(String(value));
      break;
    case "bool":
      writer.tag(number, WireType.Varint).bool(value === true);
      break;
    case "double":
      writer.tag(number, WireType.Bit64).double(Number(value));
      break;
    case "int64":
      writer.tag(number, WireType.Varint).int64(Math.trunc(Number(value)));
      break;
    case "any":
      nested(writer, number, () => writer.tag(2, WireType.LengthDelimited).string(JSON.stringify(value)));
      break;
    case "strings":
      for (const one of asList(value)) writer.tag(number, WireType.LengthDelimited).string(String(one));
      break;
    case "anys":
      for (const one of asList(value)) nested(writer, number, () => writer.tag(2, WireType.LengthDelimited).string(JSON.stringify(one)));
      break;
    case "stringList":
      nested(writer, number, () => writer.tag(1, WireType.LengthDelimited).string(String(value)));
      break;
    case "message":
      nested(writer, number, () => write(writer, field.of, value));
      break;
    case "messages":
      for (const one of asList(value)) nested(writer, number, () => write(writer, field.of, one));
      break;
    case "named":
      nested(writer, number, () => writeNamed(writer, 1, value, field.of));
      break;
  }
}

/** A map as repeated messages of a name (1) and a value (2). */
function writeNamed(writer: BinaryWriter, number: number, map: Json | undefined, of: MessageName): void {
  for (const [name, value] of Object.entries(asObject(map)))
    nested(writer, number, () => {
      writer.tag(1, WireType.LengthDelimited).string(name);
      nested(writer, 2, () => write(writer, of, value));
    });
}

function nested(writer: BinaryWriter, number: number, inside: () => void): void {
  writer.tag(number, WireType.LengthDelimited).fork();
  inside();
  writer.join();
}
