import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { NotEncodable } from "../errors.ts";
import type { Field, Json, JsonObject, Message, Scalar, ValueType } from "./schema.ts";

/**
 * The object as a message, byte for byte as the Go implementation writes it: fields in the order of their numbers, keys of maps sorted, zeros of
 * everything that is no pointer. Throws {@link NotEncodable} where a value has another type than its field.
 */
export function encodeMessage(message: Message, object: JsonObject): Uint8Array {
  const writer = new BinaryWriter();
  writeFields(writer, message, object);
  return writer.finish();
}

const nothing: JsonObject = Object.freeze({});

function writeFields(writer: BinaryWriter, { fields }: Message, object: JsonObject): void {
  for (const field of fields) {
    if (field.zero === "inline") {
      writeValue(writer, field, field.type, object);
      continue;
    }
    const value = object[field.name] ?? undefined;
    if (field.shape === "single") {
      if (value !== undefined || (field.zero !== "is kept" && !isNilBytes(field.type))) writeValue(writer, field, field.type, value);
    } else if (value !== undefined) {
      if (field.shape === "list") writeList(writer, field, value);
      else writeMap(writer, field, value);
    }
  }
}

/** Go's zero of a list of bytes is nil, and written as nothing. */
const isNilBytes = (type: ValueType): boolean => type.of === "scalar" && type.scalar === "bytes";

function writeList(writer: BinaryWriter, field: Field, value: Json): void {
  if (!Array.isArray(value)) throw new NotEncodable(field.name, "a list");
  for (const item of value as readonly Json[]) writeValue(writer, field, field.type, item ?? undefined);
}

function writeMap(writer: BinaryWriter, field: Field, value: Json): void {
  const map = objectOf(field, value);
  for (const key of Object.keys(map).sort(byCodePoint)) {
    writer.tag(field.number, WireType.LengthDelimited).fork();
    writer.tag(1, WireType.LengthDelimited).string(key);
    writeValue(writer, { number: 2, name: field.name }, field.type, map[key] ?? undefined);
    writer.join();
  }
}

/** The order of the texts' UTF-8 bytes, in which Go sorts. */
const byCodePoint = (one: string, other: string): number =>
  isPlain(one) && isPlain(other) ? (one < other ? -1 : 1) : Buffer.compare(Buffer.from(one), Buffer.from(other));
const isPlain = (text: string): boolean => !/[\ud800-\udfff]/.test(text);

type Place = Pick<Field, "number" | "name">;

/** One value with its tag; undefined is the zero of its type. */
function writeValue(writer: BinaryWriter, place: Place, type: ValueType, value: Json | undefined): void {
  if (type.of === "scalar") {
    writeScalar(writer, place, type.scalar, value);
    return;
  }
  writer.tag(place.number, WireType.LengthDelimited).fork();
  if (type.of === "message") writeFields(writer, type.message, fieldsOf(place, type.message, value));
  else if (value !== undefined) {
    if (!Array.isArray(value)) throw new NotEncodable(place.name, "a list");
    for (const item of value as readonly Json[]) writeValue(writer, { number: 1, name: place.name }, type.item, item ?? undefined);
  }
  writer.join();
}

function fieldsOf(place: Place, { form }: Message, value: Json | undefined): JsonObject {
  if (form !== undefined) return form.fields(value ?? null);
  return value === undefined ? nothing : objectOf(place, value);
}

function writeScalar(writer: BinaryWriter, place: Place, scalar: Scalar, value: Json | undefined): void {
  const { number } = place;
  switch (scalar) {
    case "string":
      writer.tag(number, WireType.LengthDelimited).string(textOf(place, value));
      break;
    case "int":
      writeInt(writer.tag(number, WireType.Varint), place, value);
      break;
    case "bool":
      if (value !== undefined && typeof value !== "boolean") throw new NotEncodable(place.name, "true or false");
      writer.tag(number, WireType.Varint).bool(value ?? false);
      break;
    case "double":
      if (value !== undefined && typeof value !== "number") throw new NotEncodable(place.name, "a number");
      writer.tag(number, WireType.Bit64).double(value ?? 0);
      break;
    case "bytes":
      writer.tag(number, WireType.LengthDelimited).bytes(Buffer.from(textOf(place, value), "base64"));
      break;
    case "fieldsV1":
      writer.tag(number, WireType.LengthDelimited).fork();
      writer.tag(1, WireType.LengthDelimited).string(JSON.stringify(value ?? nothing));
      writer.join();
      break;
    case "quantity":
      writer.tag(number, WireType.LengthDelimited).fork();
      writer.tag(1, WireType.LengthDelimited).string(typeof value === "number" ? String(value) : textOf(place, value ?? "0"));
      writer.join();
      break;
    case "intOrString":
      writer.tag(number, WireType.LengthDelimited).fork();
      writeIntOrString(writer, place, value);
      writer.join();
      break;
    case "time":
    case "microTime":
      writer.tag(number, WireType.LengthDelimited).fork();
      if (value !== undefined) writeTime(writer, place, scalar, textOf(place, value));
      writer.join();
      break;
  }
}

function writeInt(writer: BinaryWriter, { name }: Place, value: Json | undefined = 0): void {
  if (typeof value !== "number" || !Number.isInteger(value)) throw new NotEncodable(name, "a whole number");
  if (value >= 0 && value <= 0xffff_ffff) writer.uint32(value);
  else writer.int64(BigInt(value));
}

function writeIntOrString(writer: BinaryWriter, place: Place, value: Json | undefined): void {
  const isText = typeof value === "string";
  writer.tag(1, WireType.Varint).uint32(isText ? 1 : 0);
  writeInt(writer.tag(2, WireType.Varint), place, isText ? 0 : value);
  writer.tag(3, WireType.LengthDelimited).string(isText ? value : "");
}

function writeTime(writer: BinaryWriter, { name }: Place, scalar: "time" | "microTime", text: string): void {
  const milliseconds = Date.parse(text);
  if (Number.isNaN(milliseconds)) throw new NotEncodable(name, "a time");
  const micros = scalar === "time" ? 0 : Number((/\.(\d{1,6})/.exec(text)?.[1] ?? "").padEnd(6, "0"));
  writeInt(writer.tag(1, WireType.Varint), { number: 1, name }, Math.floor(milliseconds / 1_000));
  writer.tag(2, WireType.Varint).uint32(micros * 1_000);
}

function textOf({ name }: Place, value: Json | undefined = ""): string {
  if (typeof value !== "string") throw new NotEncodable(name, "a string");
  return value.isWellFormed() ? value : value.toWellFormed();
}

function objectOf({ name }: Place, value: Json): JsonObject {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw new NotEncodable(name, "an object");
  return value as JsonObject;
}
