import type { Json } from "../openapi/schema.ts";
import table from "./messages.json" with { type: "json" };
import { decodeFields, type WireField } from "./wire.ts";

/** The media type in which client-go's typed clients, kubectl's own among them, send objects. */
export const protobufMediaType = "application/vnd.kubernetes.protobuf";

/** What became of a body: the object as JSON has it, or why not. */
export type Decoded = { readonly object: Json } | { readonly unknownKind: string } | { readonly problem: string };

/**
 * Types of fields in `messages.json`: a scalar, a message by name, or a collection. `items` is a message with a single list in field 1
 * that JSON shows as the list.
 */
type FieldType = string | { readonly list: FieldType } | { readonly map: FieldType } | { readonly items: FieldType };

/** JSON name, type, and what a zero means: `pointer` fields keep theirs, others leave it out, `inline` ones merge into their parent. */
type FieldRow = readonly [name: string, type: FieldType, kind?: "pointer" | "inline"];

const messages = table.messages as unknown as Readonly<Record<string, Readonly<Record<string, FieldRow>>>>;
const roots = table.roots as Readonly<Record<string, string>>;

/** `k8s` and a zero byte stand before every message (k8s.io/apimachinery/pkg/runtime/serializer/protobuf). */
const magic = Uint8Array.of(0x6b, 0x38, 0x73, 0x00);
/** No Kubernetes type nests deeper than about 20 messages. */
const maxDepth = 64;

/** Reads a request body of {@link protobufMediaType}. Total: any bytes give an answer. */
export function decodeKubernetesProtobuf(body: Uint8Array): Decoded {
  if (!magic.every((byte, index) => body[index] === byte))
    return { problem: "the body does not begin with the Kubernetes protobuf prefix" };
  const envelope = decodeFields(body.subarray(magic.length));
  const typeMeta = decodeFields(bytesOf(envelope, 1));
  if (envelope === undefined || typeMeta === undefined) return { problem: "the protobuf envelope is damaged" };
  const apiVersion = text(bytesOf(typeMeta, 1));
  const kind = text(bytesOf(typeMeta, 2));
  const name = roots[kind === "DeleteOptions" ? kind : `${apiVersion} ${kind}`];
  if (name === undefined) return { unknownKind: `${apiVersion} ${kind}` };
  const object = decodeMessage(name, bytesOf(envelope, 2), 0);
  return object === undefined ? { problem: `the protobuf message of ${kind} is damaged` } : { object: { apiVersion, kind, ...object } };
}

type JsonObject = { [field: string]: Json };

function decodeMessage(name: string, bytes: Uint8Array, depth: number): JsonObject | undefined {
  const fields = decodeFields(bytes);
  const rows = messages[name];
  if (fields === undefined || rows === undefined || depth > maxDepth) return undefined;
  const object: JsonObject = {};
  for (const field of fields) {
    const row = rows[field.number];
    if (row === undefined) continue; // a field of a newer version, or one without effect here
    if (!setField(object, row, field, depth)) return undefined;
  }
  return object;
}

/** Puts one field into `object`; false when its bytes are damaged. */
function setField(object: JsonObject, [name, type, kind]: FieldRow, field: WireField, depth: number): boolean {
  if (kind === "inline") {
    const inner = typeof type === "string" && field.type === "bytes" ? decodeMessage(type, field.value, depth + 1) : undefined;
    if (inner !== undefined) Object.assign(object, inner);
    return inner !== undefined;
  }
  if (typeof type === "object" && "list" in type) {
    const value = decodeValue(type.list, field, depth);
    const list = (object[name] ?? []) as Json[];
    if (value !== undefined) object[name] = [...list, value];
    return value !== undefined;
  }
  if (typeof type === "object" && "map" in type) {
    const entry = field.type === "bytes" ? decodeFields(field.value) : undefined;
    const item = entry?.find(({ number }) => number === 2);
    const value = item === undefined ? zeroOf(type.map) : decodeValue(type.map, item, depth);
    if (entry === undefined || value === undefined) return false;
    const map = (object[name] ?? {}) as JsonObject;
    map[text(bytesOf(entry, 1))] = value;
    object[name] = map;
    return true;
  }
  const value = decodeValue(type, field, depth);
  if (value === undefined) return false;
  if (kind === "pointer" ? value !== null : !isZero(value)) object[name] = value;
  return true;
}

function decodeValue(type: FieldType, field: WireField, depth: number): Json | undefined {
  if (typeof type === "object") {
    if (!("items" in type) || field.type !== "bytes") return undefined;
    return decodeFields(field.value)
      ?.filter(({ number }) => number === 1)
      .flatMap((item) => decodeValue(type.items, item, depth + 1) ?? []);
  }
  if (field.type === "varint") {
    if (type === "bool") return field.value !== 0n;
    return type === "int" ? Number(BigInt.asIntN(64, field.value)) : undefined;
  }
  if (field.type === "fixed64") return type === "double" ? doubleOf(field.value) : undefined;
  if (field.type !== "bytes") return undefined;
  switch (type) {
    case "string":
      return text(field.value);
    case "bytes":
      return Buffer.from(field.value).toString("base64");
    case "time":
    case "microTime":
      return timeOf(field.value, type);
    case "quantity": {
      const inner = decodeFields(field.value);
      return inner && text(bytesOf(inner, 1));
    }
    case "intOrString": {
      const inner = decodeFields(field.value);
      if (inner === undefined) return undefined;
      return varintOf(inner, 1) === 1n ? text(bytesOf(inner, 3)) : Number(BigInt.asIntN(32, varintOf(inner, 2)));
    }
    default:
      return decodeMessage(type, field.value, depth + 1);
  }
}

/** Seconds and nanoseconds since 1970; an empty message is no time. */
function timeOf(bytes: Uint8Array, type: "time" | "microTime"): Json | undefined {
  const fields = decodeFields(bytes);
  if (fields === undefined) return undefined;
  if (fields.length === 0) return null;
  const seconds = Number(BigInt.asIntN(64, varintOf(fields, 1)));
  const date = new Date(seconds * 1_000);
  if (Number.isNaN(date.getTime())) return undefined;
  const micros = Math.floor(Number(BigInt.asIntN(32, varintOf(fields, 2))) / 1_000);
  const whole = date.toISOString().slice(0, 19);
  return type === "time" ? `${whole}Z` : `${whole}.${String(micros).padStart(6, "0")}Z`;
}

function doubleOf(bits: bigint): number {
  const view = new DataView(new ArrayBuffer(8));
  view.setBigUint64(0, bits);
  return view.getFloat64(0);
}

function bytesOf(fields: readonly WireField[] | undefined, number: number): Uint8Array {
  const field = fields?.find((candidate) => candidate.number === number);
  return field?.type === "bytes" ? field.value : new Uint8Array();
}

function varintOf(fields: readonly WireField[], number: number): bigint {
  const field = fields.find((candidate) => candidate.number === number);
  return field?.type === "varint" ? field.value : 0n;
}

const text = (bytes: Uint8Array): string => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("utf8");

const isZero = (value: Json): boolean => value === "" || value === 0 || value === false || value === null;

const zeroOf = (type: FieldType): Json =>
  type === "int" || type === "double" ? 0 : type === "bool" ? false : typeof type === "object" ? [] : "";
