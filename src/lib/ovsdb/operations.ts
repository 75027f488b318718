import type { Column, Columns, Database, NamedUuid, NewRowOf, NewValueOf } from "./declaration.ts";

/** RFC 7047 §5.1 functions of a condition. */
export type ConditionFunction = "==" | "!=" | "<" | "<=" | ">" | ">=" | "includes" | "excludes";

/** RFC 7047 §5.1 mutators: arithmetic on numbers, insert and delete on sets and maps (a set of keys deletes pairs of a map). */
export type Mutator = "+=" | "-=" | "*=" | "/=" | "%=" | "insert" | "delete";

type ColumnOrUuid<C extends Columns, Name> = Name extends "_uuid" ? Column<"one", "uuid", "uuid"> : Name extends keyof C ? C[Name] : never;

/** `[column, function, value]`; the column may be `_uuid`. A row is meant when all hold; none means every row. */
export type Condition<C extends Columns> = {
  [Name in (keyof C & string) | "_uuid"]: readonly [Name, ConditionFunction, NewValueOf<ColumnOrUuid<C, Name>>];
}[(keyof C & string) | "_uuid"];

type MapKeys<C> = C extends Column<"map", infer Key, infer _Value> ? readonly NewValueOf<Column<"one", Key, Key>>[] : never;

/** `[column, mutator, value]`. */
export type Mutation<C extends Columns> = {
  [Name in keyof C & string]: readonly [Name, Mutator, NewValueOf<C[Name]> | MapKeys<C[Name]>];
}[keyof C & string];

type OperationOn<Table extends string, C extends Columns> =
  | { readonly op: "insert"; readonly table: Table; readonly row: NewRowOf<C>; readonly as?: NamedUuid }
  | {
      readonly op: "select";
      readonly table: Table;
      readonly where: readonly Condition<C>[];
      readonly columns?: readonly (keyof C & string)[];
    }
  | { readonly op: "update"; readonly table: Table; readonly where: readonly Condition<C>[]; readonly row: NewRowOf<C> }
  | {
      readonly op: "mutate";
      readonly table: Table;
      readonly where: readonly Condition<C>[];
      readonly mutations: readonly Mutation<C>[];
    }
  | { readonly op: "delete"; readonly table: Table; readonly where: readonly Condition<C>[] }
  | {
      readonly op: "wait";
      readonly table: Table;
      readonly where: readonly Condition<C>[];
      readonly columns: readonly (keyof C & string)[];
      readonly until: "==" | "!=";
      readonly rows: readonly NewRowOf<C>[];
      /** Milliseconds; 0 checks once. Absent waits for as long as it takes. */
      readonly timeout?: number;
    };

/** One operation of a transaction, RFC 7047 §5.2, typed by the declared tables. */
export type Operation<D extends Database> =
  | { [Table in keyof D["tables"] & string]: OperationOn<Table, D["tables"][Table]> }[keyof D["tables"] & string]
  | { readonly op: "comment"; readonly comment: string }
  | { readonly op: "abort" };

/** What an operation of a committed transaction gave: the row made, how many rows were touched, or the rows found. */
export interface OperationResult {
  readonly uuid?: string;
  readonly count?: number;
  /** Rows of a `select`, each column decoded by its declaration. */
  readonly rows?: readonly Readonly<Record<string, unknown>>[];
}
