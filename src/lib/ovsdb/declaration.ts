/** The five atomic types of RFC 7047 §3.1. */
export type BaseType = "integer" | "real" | "boolean" | "string" | "uuid";

/** How many atoms a column holds: exactly one, at most one, any number, or pairs of key and value. */
export type Shape = "one" | "optional" | "set" | "map";

/** A column as we read and write it. */
export interface Column<S extends Shape = Shape, Key extends BaseType = BaseType, Value extends BaseType = BaseType> {
  readonly shape: S;
  readonly key: Key;
  /** For maps; otherwise the key's type again. */
  readonly value: Value;
}

export const one = <Key extends BaseType>(key: Key): Column<"one", Key, Key> => ({ shape: "one", key, value: key });
export const optional = <Key extends BaseType>(key: Key): Column<"optional", Key, Key> => ({ shape: "optional", key, value: key });
export const set = <Key extends BaseType>(key: Key): Column<"set", Key, Key> => ({ shape: "set", key, value: key });
export const map = <Key extends BaseType, Value extends BaseType>(key: Key, value: Value): Column<"map", Key, Value> => ({
  shape: "map",
  key,
  value,
});

export type Columns = Readonly<Record<string, Column>>;

/** The part of a database's schema that a program uses, as data: TypeScript types, decoding and encoding derive from it. */
export interface Database<Tables extends Readonly<Record<string, Columns>> = Readonly<Record<string, Columns>>> {
  readonly name: string;
  readonly tables: Tables;
}

/** Stands for the row that an `insert` of the same transaction makes (RFC 7047 §5.1 named-uuid). */
export interface NamedUuid {
  readonly namedUuid: string;
}

/** `name`: a letter or `_`, then letters, digits and `_`. Unique within one list of operations only. */
export const namedUuid = (name: string): NamedUuid => ({ namedUuid: name });

/** An atom as read. Integers are exact up to 2^53: larger ones (some byte counters) lose their last digits. */
export type Atom<Base extends BaseType = BaseType> = Base extends "integer" | "real" ? number : Base extends "boolean" ? boolean : string;

/** An atom as written. */
export type NewAtom<Base extends BaseType = BaseType> = Base extends "uuid" ? string | NamedUuid : Atom<Base>;

/** What a column of a row holds. */
export type ValueOf<C> =
  C extends Column<infer S, infer Key, infer Value>
    ? S extends "one"
      ? Atom<Key>
      : S extends "optional"
        ? Atom<Key> | undefined
        : S extends "set"
          ? readonly Atom<Key>[]
          : ReadonlyMap<Atom<Key>, Atom<Value>>
    : never;

/** What may be written to a column. */
export type NewValueOf<C> =
  C extends Column<infer S, infer Key, infer Value>
    ? S extends "one"
      ? NewAtom<Key>
      : S extends "optional"
        ? NewAtom<Key> | undefined
        : S extends "set"
          ? readonly NewAtom<Key>[]
          : ReadonlyMap<Atom<Key>, NewAtom<Value>> | (Key extends "string" ? Readonly<Record<string, NewAtom<Value>>> : never)
    : never;

/** A row of a replica: the monitored columns and the row's identity. */
export type RowOf<C extends Columns, Names extends keyof C = keyof C> = { readonly uuid: string } & {
  readonly [Name in Names]: ValueOf<C[Name]>;
};

/** Columns of a row to be written; absent ones keep their value, or get the default in an insert. */
export type NewRowOf<C extends Columns> = { readonly [Name in keyof C]?: NewValueOf<C[Name]> };
