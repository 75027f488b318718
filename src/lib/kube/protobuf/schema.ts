import { type MessageForm, messageForms } from "./forms.ts";

/** A value as JSON has it. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [field: string]: Json };
export type JsonObject = { readonly [field: string]: Json };

/** The scalar types of Kubernetes' messages. `time`, `microTime`, `quantity`, `intOrString` and `fieldsV1` are messages that JSON shows as one value. */
const scalars = ["bool", "bytes", "double", "fieldsV1", "int", "intOrString", "microTime", "quantity", "string", "time"] as const;
export type Scalar = (typeof scalars)[number];

/**
 * Types of fields: a scalar, a message by name, or a collection. `items` is a message with a single list in field 1 that JSON shows as the list.
 */
export type FieldType = string | { readonly list: FieldType } | { readonly map: FieldType } | { readonly items: FieldType };

/**
 * JSON name, type, and what a zero means: of `pointer` fields zero and absent differ, of others they are the same, `shown` ones stand in JSON with
 * their zero, `inline` messages stand in JSON as fields of their parent.
 */
export type FieldRow = readonly [name: string, type: FieldType, kind?: "pointer" | "shown" | "inline"];

/** Messages by name, each with its fields by number, and the kinds (`v1 Pod`) whose messages they are. */
export interface ProtobufSchema {
  readonly roots: Readonly<Record<string, string>>;
  readonly messages: Readonly<Record<string, Readonly<Record<string, FieldRow>>>>;
}

export type ValueType =
  | { readonly of: "scalar"; readonly scalar: Scalar }
  | { readonly of: "message"; readonly message: Message }
  | { readonly of: "items"; readonly item: ValueType };

export interface Field {
  readonly number: number;
  readonly name: string;
  readonly zero: "means absent" | "is shown" | "is kept" | "inline";
  readonly shape: "single" | "list" | "map";
  readonly type: ValueType;
}

/** A message ready for use. Its fields are in the order of their numbers, in which they are written. */
export interface Message {
  readonly name: string;
  readonly fields: readonly Field[];
  readonly byNumber: ReadonlyMap<number, Field>;
  /** Where JSON shows it otherwise than as an object of its fields. */
  readonly form?: MessageForm;
}

const zeros = { pointer: "is kept", shown: "is shown", inline: "inline" } as const;

/** Links the messages of a schema to each other; they may contain themselves. A name that no table has is a mistake in the tables. */
export function linkMessages(tables: ProtobufSchema["messages"]): ReadonlyMap<string, Message> {
  const linked = new Map<string, { name: string; fields: Field[]; byNumber: Map<number, Field>; form?: MessageForm }>();
  for (const name of Object.keys(tables)) {
    const form = messageForms[name];
    linked.set(name, { name, fields: [], byNumber: new Map(), ...(form === undefined ? {} : { form }) });
  }
  const typeOf = (type: FieldType): ValueType => {
    if (typeof type === "object") {
      if (!("items" in type)) throw new TypeError("a collection within a collection");
      return { of: "items", item: typeOf(type.items) };
    }
    const message = linked.get(type);
    if (message !== undefined) return { of: "message", message };
    const scalar = scalars.find((one) => one === type);
    if (scalar === undefined) throw new TypeError(`no message ${type}`);
    return { of: "scalar", scalar };
  };
  for (const message of linked.values()) {
    for (const [number, [name, type, kind]] of Object.entries(tables[message.name] ?? {})) {
      const shape = typeof type === "object" && "list" in type ? "list" : typeof type === "object" && "map" in type ? "map" : "single";
      const inner = typeof type === "object" && "list" in type ? type.list : typeof type === "object" && "map" in type ? type.map : type;
      const zero = kind === undefined ? "means absent" : zeros[kind];
      message.fields.push({ number: Number(number), name, zero, shape, type: typeOf(inner) });
    }
    message.fields.sort((one, other) => one.number - other.number);
    for (const field of message.fields) message.byNumber.set(field.number, field);
  }
  return linked;
}
