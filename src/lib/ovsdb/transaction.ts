import type { Column, Columns, Database } from "./declaration.ts";
import { OvsdbProtocolError, SchemaMismatch, TransactionFailed } from "./errors.ts";
import { decodeValue, encodeValue, isObject } from "./notation.ts";
import type { Operation, OperationResult } from "./operations.ts";

type Condition = readonly [string, string, unknown];

/** Writes operations as RFC 7047 §5.2 has them. Throws SchemaMismatch on a table or column that is not declared. */
export function encodeOperations<D extends Database>(
  database: D,
  operations: readonly Operation<D>[],
  rename: (name: string) => string = (name) => name,
): unknown[] {
  const column = (table: string, name: string): Column => {
    const found = name === "_uuid" ? ({ shape: "one", key: "uuid", value: "uuid" } as const) : database.tables[table]?.[name];
    if (found === undefined) throw new SchemaMismatch(database.name, `column ${table}.${name} is not declared`);
    return found;
  };
  const row = (table: string, values: object): unknown =>
    Object.fromEntries(Object.entries(values).map(([name, value]) => [name, encodeValue(column(table, name), value, rename)]));
  const where = (table: string, conditions: readonly unknown[]): unknown =>
    (conditions as readonly Condition[]).map(([name, test, value]) => [name, test, encodeValue(column(table, name), value, rename)]);

  return operations.map((operation) => {
    switch (operation.op) {
      case "insert": {
        const { op, table, as } = operation;
        return { op, table, row: row(table, operation.row), ...(as === undefined ? {} : { "uuid-name": rename(as.namedUuid) }) };
      }
      case "select":
        return { ...operation, where: where(operation.table, operation.where) };
      case "update":
        return { ...operation, where: where(operation.table, operation.where), row: row(operation.table, operation.row) };
      case "mutate":
        return {
          ...operation,
          where: where(operation.table, operation.where),
          mutations: where(operation.table, operation.mutations),
        };
      case "delete":
        return { ...operation, where: where(operation.table, operation.where) };
      case "wait":
        return {
          ...operation,
          where: where(operation.table, operation.where),
          rows: operation.rows.map((values) => row(operation.table, values)),
        };
      default:
        return operation;
    }
  });
}

/** Reads the reply of `transact` (RFC 7047 §4.1.3). Throws TransactionFailed for the error in it, OvsdbProtocolError when it is no reply. */
export function decodeResults<D extends Database>(
  database: D,
  operations: readonly Operation<D>[],
  wire: unknown,
): readonly OperationResult[] {
  if (!Array.isArray(wire)) throw new OvsdbProtocolError("transact", "the reply is no array");
  const failed = wire.findIndex((result) => isObject(result) && typeof result.error === "string");
  if (failed >= 0) throw failureOf(operations, wire[failed], failed);
  if (wire.length < operations.length) throw new OvsdbProtocolError("transact", "the reply is shorter than the request");
  return operations.map((operation, index) => decodeResult(database, operation, wire[index]));
}

function failureOf(operations: readonly Operation<Database>[], result: Record<string, unknown>, index: number): TransactionFailed {
  const error = String(result.error);
  const details = typeof result.details === "string" ? result.details : "";
  const operation = operations[index];
  if (operation === undefined) return new TransactionFailed({ error, details });
  return new TransactionFailed({
    error,
    details,
    operation: index,
    text: "table" in operation ? `${operation.op} ${operation.table}` : operation.op,
  });
}

function decodeResult(database: Database, operation: Operation<Database>, wire: unknown): OperationResult {
  if (!isObject(wire)) throw new OvsdbProtocolError("transact", "a result is no object");
  if (operation.op === "insert") {
    const uuid = decodeValue({ shape: "one", key: "uuid", value: "uuid" }, wire.uuid);
    if ("failure" in uuid) throw new OvsdbProtocolError("transact", `insert ${operation.table}: ${uuid.failure}`);
    return { uuid: String(uuid.value) };
  }
  if (operation.op === "select") return { rows: decodeRows(database.tables[operation.table] ?? {}, wire.rows) };
  return typeof wire.count === "number" ? { count: wire.count } : {};
}

function decodeRows(columns: Columns, wire: unknown): Readonly<Record<string, unknown>>[] {
  if (!Array.isArray(wire)) throw new OvsdbProtocolError("transact", "select gave no rows");
  return wire.map((row: unknown) => {
    if (!isObject(row)) throw new OvsdbProtocolError("transact", "a row is no object");
    const known = Object.entries(row).flatMap(([name, value]) => {
      const column = name === "_uuid" ? ({ shape: "one", key: "uuid", value: "uuid" } as const) : columns[name];
      if (column === undefined) return [];
      const decoded = decodeValue(column, value);
      if ("failure" in decoded) throw new OvsdbProtocolError("transact", `select: column ${name}: ${decoded.failure}`);
      return [[name === "_uuid" ? "uuid" : name, decoded.value] as const];
    });
    return Object.fromEntries(known);
  });
}
