import { BinaryReader, BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { decodeMessage } from "./decode.ts";
import { encodeMessage } from "./encode.ts";
import { type Json, type JsonObject, linkMessages, type Message, type ProtobufSchema } from "./schema.ts";

/** The media type in which client-go's typed clients, kubectl's own among them, send objects. */
export const protobufMediaType = "application/vnd.kubernetes.protobuf";

/** What became of bytes: the object as JSON has it, or why not. */
export type Decoded =
  | { readonly object: Json }
  | { readonly unknownKind: string }
  | { readonly problem: string }
  | { readonly tooManyFields: true };

export interface TypeMeta {
  readonly apiVersion: string;
  readonly kind: string;
}

/** Kubernetes objects as {@link protobufMediaType} has them: `k8s\0`, then an envelope that names the kind, then its message. */
export interface ProtobufCodec {
  /** Whether messages of this kind, and lists of it, can be read and written. */
  knows(kind: TypeMeta): boolean;
  /** Throws NotEncodable where a value has another type than its field. The kind must be known. */
  encode(kind: TypeMeta, object: object): Uint8Array;
  /** The message of an item of a list, without envelope. */
  encodeItem(kind: TypeMeta, object: object): Uint8Array;
  /** What stands before the items of a list whose messages are `items`, each with its header. They make one message; concatenated they are the answer. */
  listPieces(list: TypeMeta & { readonly metadata: object }, items: readonly Uint8Array[]): Iterable<Uint8Array>;
  /** Total: any bytes give an answer. Lists of a known kind are read too. More fields and items than `mostFields` are not read: a message of two bytes may hold one. */
  decode(bytes: Uint8Array, mostFields?: number): Decoded;
}

/** `k8s` and a zero byte stand before every message (k8s.io/apimachinery/pkg/runtime/serializer/protobuf). */
const magic = Uint8Array.of(0x6b, 0x38, 0x73, 0x00);
const listMeta = "meta.v1.ListMeta";

export function createProtobufCodec(...schemas: readonly ProtobufSchema[]): ProtobufCodec {
  const messages = linkMessages(Object.assign({}, ...schemas.map((schema) => schema.messages)) as ProtobufSchema["messages"]);
  const roots = new Map<string, Message>();
  for (const { roots: kinds } of schemas)
    for (const [kind, name] of Object.entries(kinds)) {
      const message = messages.get(name);
      if (message === undefined) throw new TypeError(`no message ${name}`);
      roots.set(kind, message);
    }
  const rootOf = ({ apiVersion, kind }: TypeMeta): Message | undefined => roots.get(`${apiVersion} ${kind}`) ?? roots.get(kind); // DeleteOptions are of every group

  const messageOf = (kind: TypeMeta): Message => {
    const message = rootOf(kind);
    if (message === undefined) throw new TypeError(`no message of ${kind.apiVersion} ${kind.kind}`);
    return message;
  };

  const decodeList = (type: TypeMeta, raw: Uint8Array, mostFields: number | undefined): Decoded => {
    const item = rootOf({ ...type, kind: type.kind.slice(0, -"List".length) });
    const metadata = messages.get(listMeta);
    if (item === undefined || metadata === undefined) return { unknownKind: `${type.apiVersion} ${type.kind}` };
    const fields: Message["fields"] = [
      { number: 1, name: "metadata", zero: "means absent", shape: "single", type: { of: "message", message: metadata } },
      { number: 2, name: "items", zero: "means absent", shape: "list", type: { of: "message", message: item } },
    ];
    const list = { name: type.kind, fields, byNumber: new Map(fields.map((field) => [field.number, field])) };
    const object = decodeMessage(list, raw, mostFields);
    if (object === "too many fields") return { tooManyFields: true };
    return object === undefined
      ? { problem: `the protobuf message of ${type.kind} is damaged` }
      : { object: { ...type, ...object, items: object.items ?? [] } };
  };

  return {
    knows: (kind) => rootOf(kind) !== undefined,
    encode: (kind, object) => Buffer.concat([...envelope(kind, [encodeMessage(messageOf(kind), object as JsonObject)])]),
    encodeItem: (kind, object) => encodeMessage(messageOf(kind), object as JsonObject),
    listPieces(list, items) {
      const metadata = messages.get(listMeta);
      const head = metadata === undefined ? new Uint8Array() : encodeMessage(metadata, list.metadata as JsonObject);
      return envelope(list, [headerOf(1, head), head, ...items.flatMap((item) => [headerOf(2, item), item])]);
    },
    decode(bytes, mostFields) {
      if (!magic.every((byte, index) => bytes[index] === byte))
        return { problem: "the body does not begin with the Kubernetes protobuf prefix" };
      const opened = openEnvelope(bytes.subarray(magic.length));
      if (opened === undefined) return { problem: "the protobuf envelope is damaged" };
      const { type, raw } = opened;
      const message = rootOf(type);
      if (message === undefined) {
        return type.kind.endsWith("List") ? decodeList(type, raw, mostFields) : { unknownKind: `${type.apiVersion} ${type.kind}` };
      }
      const object = decodeMessage(message, raw, mostFields);
      if (object === "too many fields") return { tooManyFields: true };
      return object === undefined ? { problem: `the protobuf message of ${type.kind} is damaged` } : { object: { ...type, ...object } };
    },
  };
}

/** `runtime.Unknown`: typeMeta (1), raw (2), contentEncoding (3), contentType (4), the last two empty. */
function envelope({ apiVersion, kind }: TypeMeta, raw: readonly Uint8Array[]): Iterable<Uint8Array> {
  const size = raw.reduce((sum, { length }) => sum + length, 0);
  const head = new BinaryWriter();
  head.tag(1, WireType.LengthDelimited).fork();
  head.tag(1, WireType.LengthDelimited).string(apiVersion).tag(2, WireType.LengthDelimited).string(kind).join();
  head.tag(2, WireType.LengthDelimited).uint32(size);
  return [magic, head.finish(), ...raw, envelopeEnd];
}

const envelopeEnd = Uint8Array.of(0x1a, 0, 0x22, 0);

const headerOf = (number: number, { length }: Uint8Array): Uint8Array =>
  new BinaryWriter().tag(number, WireType.LengthDelimited).uint32(length).finish();

function openEnvelope(bytes: Uint8Array): { readonly type: TypeMeta; readonly raw: Uint8Array } | undefined {
  try {
    const outer = bytesFields(bytes);
    const type = bytesFields(outer.get(1) ?? new Uint8Array());
    const text = (number: number): string => Buffer.from(type.get(number) ?? []).toString("utf8");
    return { type: { apiVersion: text(1), kind: text(2) }, raw: outer.get(2) ?? new Uint8Array() };
  } catch {
    // the reader throws errors of several kinds, all of which say that the bytes are no envelope
    return undefined;
  }
}

/** The first of each field with a length. */
function bytesFields(bytes: Uint8Array): Map<number, Uint8Array> {
  const reader = new BinaryReader(bytes);
  const fields = new Map<number, Uint8Array>();
  while (reader.pos < reader.len) {
    const [number, wire] = reader.tag();
    if (wire !== WireType.LengthDelimited) reader.skip(wire, number);
    else {
      const content = reader.bytes();
      if (!fields.has(number)) fields.set(number, content);
    }
  }
  return fields;
}
