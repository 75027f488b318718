import { BinaryReader, BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { errorMessage } from "#lib/runtime/errors.ts";
import { MalformedMessage } from "./errors.ts";

// Protobuf messages declared as tables of fields: types, encoder and decoder derive from the one declaration, and the wire format is the
// library's. Generated code would need a compiler in the build; reflection over a .proto costs a parser at every start.

/** One field of a message. `Out` is what decoding gives (the default when absent), `In` what encoding takes. */
export interface Field<Out, In = Out> {
  readonly number: number;
  readonly initial: () => Out;
  readonly write: (writer: BinaryWriter, value: In) => void;
  /** Reads one occurrence; returns the field's new value. Throws what the reader throws. */
  readonly read: (reader: BinaryReader, wire: WireType, before: Out) => Out;
  /** Wire types this field accepts; anything else is skipped as an unknown field. */
  readonly accepts: readonly WireType[];
}

// biome-ignore lint/suspicious/noExplicitAny: the one place where fields of all types meet; MessageType recovers each exactly
type Fields = Readonly<Record<string, Field<any, any>>>;

type Out<F> = F extends Field<infer Value, infer _> ? Value : never;
type In<F> = F extends Field<infer _, infer Value> ? Value : never;

/** A message's type: its codec. `Received` of it has every field; `Sent` may leave any out. */
export interface MessageType<F extends Fields> {
  readonly name: string;
  readonly fields: F;
  encode(value: SentFields<F>): Uint8Array;
  /** Throws {@link MalformedMessage} and nothing else. Unknown fields are skipped. */
  decode(bytes: Uint8Array): ReceivedFields<F>;
}

type ReceivedFields<F extends Fields> = { readonly [Name in keyof F]: Out<F[Name]> };
type SentFields<F extends Fields> = { readonly [Name in keyof F]?: In<F[Name]> | undefined };
export type Received<M> = M extends MessageType<infer F> ? ReceivedFields<F> : never;
export type Sent<M> = M extends MessageType<infer F> ? SentFields<F> : never;

export function message<const F extends Fields>(name: string, fields: F): MessageType<F> {
  const byNumber = new Map(Object.entries(fields).map(([fieldName, field]) => [field.number, { name: fieldName, field }]));
  const type: MessageType<F> = {
    name,
    fields,
    encode: (value) => writeFields(new BinaryWriter(), fields, value).finish(),
    decode(bytes) {
      try {
        return readFields(new BinaryReader(bytes));
      } catch (error) {
        throw error instanceof MalformedMessage ? error : new MalformedMessage(name, errorMessage(error));
      }
    },
  };
  function readFields(reader: BinaryReader): ReceivedFields<F> {
    const value: Record<string, unknown> = {};
    for (const { name: fieldName, field } of byNumber.values()) value[fieldName] = field.initial();
    while (reader.pos < reader.len) {
      const [number, wire] = reader.tag();
      const known = byNumber.get(number);
      if (known?.field.accepts.includes(wire)) value[known.name] = known.field.read(reader, wire, value[known.name]);
      else reader.skip(wire, number);
    }
    return value as ReceivedFields<F>;
  }
  return type;
}

function writeFields(writer: BinaryWriter, fields: Fields, value: Readonly<Record<string, unknown>>): BinaryWriter {
  for (const [name, field] of Object.entries(fields)) {
    const given = value[name];
    if (given !== undefined) field.write(writer, given);
  }
  return writer;
}

type Scalar<T> = Field<T> & { readonly writeOne: (writer: BinaryWriter, value: T) => void; readonly readOne: (reader: BinaryReader) => T };

function scalar<T>(
  number: number,
  wire: WireType,
  initial: T,
  writeOne: (writer: BinaryWriter, value: T) => unknown,
  readOne: (reader: BinaryReader) => T,
): Scalar<T> {
  return {
    number,
    accepts: [wire],
    initial: () => initial,
    writeOne,
    readOne,
    // proto3: a field at its default is not on the wire
    write: (writer, value) => value !== initial && writeOne(writer.tag(number, wire), value),
    read: (reader) => readOne(reader),
  };
}

export const string = (number: number): Scalar<string> =>
  scalar(
    number,
    WireType.LengthDelimited,
    "",
    (writer, value) => writer.string(value),
    (reader) => reader.string(),
  );
export const bytes = (number: number): Scalar<Uint8Array> =>
  scalar<Uint8Array>(
    number,
    WireType.LengthDelimited,
    new Uint8Array(),
    (writer, value) => writer.bytes(value),
    (reader) => reader.bytes(),
  );
export const bool = (number: number): Scalar<boolean> =>
  scalar(
    number,
    WireType.Varint,
    false,
    (writer, value) => writer.bool(value),
    (reader) => reader.bool(),
  );
export const int32 = (number: number): Scalar<number> =>
  scalar(
    number,
    WireType.Varint,
    0,
    (writer, value) => writer.int32(value),
    (reader) => reader.int32(),
  );
export const uint32 = (number: number): Scalar<number> =>
  scalar(
    number,
    WireType.Varint,
    0,
    (writer, value) => writer.uint32(value),
    (reader) => reader.uint32(),
  );
export const int64 = (number: number): Scalar<bigint> =>
  scalar(
    number,
    WireType.Varint,
    0n,
    (writer, value) => writer.int64(value),
    (reader) => BigInt(reader.int64()),
  );
export const uint64 = (number: number): Scalar<bigint> =>
  scalar(
    number,
    WireType.Varint,
    0n,
    (writer, value) => writer.uint64(value),
    (reader) => BigInt(reader.uint64()),
  );

/** An enumeration by its names in order from 0. A number of a newer version reads as `UNRECOGNIZED_<n>`. */
export function enumeration<const Name extends string>(
  number: number,
  names: readonly [Name, ...Name[]],
): Scalar<Name | `UNRECOGNIZED_${number}`> {
  type Value = Name | `UNRECOGNIZED_${number}`;
  return scalar<Value>(
    number,
    WireType.Varint,
    names[0],
    (writer, value) => writer.int32((names as readonly string[]).indexOf(value)),
    (reader) => {
      const index = reader.int32();
      return names[index] ?? (`UNRECOGNIZED_${index}` as const);
    },
  );
}

/** A message inside the message; undefined when absent. */
export function nested<F extends Fields>(number: number, type: MessageType<F>): Field<ReceivedFields<F> | undefined, SentFields<F>> {
  return {
    number,
    accepts: [WireType.LengthDelimited],
    initial: () => undefined,
    write: (writer, value) => writer.tag(number, WireType.LengthDelimited).bytes(type.encode(value)),
    read: (reader) => type.decode(reader.bytes()),
  };
}

export function repeated<F extends Fields>(
  number: number,
  type: MessageType<F>,
): Field<readonly ReceivedFields<F>[], readonly SentFields<F>[]> {
  return {
    number,
    accepts: [WireType.LengthDelimited],
    initial: () => [],
    write(writer, values) {
      for (const value of values) writer.tag(number, WireType.LengthDelimited).bytes(type.encode(value));
    },
    read: (reader, _wire, before) => append(before, type.decode(reader.bytes())),
  };
}

/** A list of scalars. Varints are accepted packed and unpacked and written packed, as proto3 does. */
export function list<T>(of: Scalar<T>): Field<readonly T[]> {
  const wire = of.accepts[0] ?? WireType.LengthDelimited;
  const packed = wire === WireType.Varint;
  return {
    number: of.number,
    accepts: packed ? [WireType.Varint, WireType.LengthDelimited] : [wire],
    initial: () => [],
    write(writer, values) {
      if (!packed) for (const value of values) of.writeOne(writer.tag(of.number, wire), value);
      else if (values.length > 0) {
        const inner = new BinaryWriter();
        for (const value of values) of.writeOne(inner, value);
        writer.tag(of.number, WireType.LengthDelimited).bytes(inner.finish());
      }
    },
    read(reader, seen, before) {
      if (!packed || seen === wire) return append(before, of.readOne(reader));
      const inner = new BinaryReader(reader.bytes());
      let values = before;
      while (inner.pos < inner.len) values = append(values, of.readOne(inner));
      return values;
    },
  };
}

const stringEntry = message("map entry", { key: string(1), value: string(2) });

/** `map<string, string>`. */
export function stringMap(number: number): Field<Readonly<Record<string, string>>> {
  return {
    number,
    accepts: [WireType.LengthDelimited],
    initial: () => ({}),
    write(writer, values) {
      for (const [key, value] of Object.entries(values))
        writer.tag(number, WireType.LengthDelimited).bytes(stringEntry.encode({ key, value }));
    },
    read(reader, _wire, before) {
      const { key, value } = stringEntry.decode(reader.bytes());
      return Object.defineProperty(before, key, { value, enumerable: true, writable: true, configurable: true });
    },
  };
}

/** Lists made while decoding are ours alone, so they grow in place: a copy per element would be quadratic. */
function append<T>(before: readonly T[], value: T): readonly T[] {
  (before as T[]).push(value);
  return before;
}
