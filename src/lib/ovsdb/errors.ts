import { CodedError } from "#lib/runtime/errors.ts";

/** The connection is down, so nothing was sent, or went down before the reply came: then nobody knows whether the request took effect. */
export class OvsdbDisconnected extends CodedError {
  constructor(path: string, reason: string) {
    super("OVSDB_DISCONNECTED", `OVSDB ${path}: ${reason}; is ovsdb-server running and is ovsRunDir right?`);
  }
}

/** The other side sent what RFC 7047 and RFC 4627 do not allow, or more than our bounds. */
export class OvsdbProtocolError extends CodedError {
  constructor(where: string, what: string) {
    super("OVSDB_PROTOCOL", `${where}: ${what}`);
  }
}

/** The database lacks a table or column that we declare, or has it with another type: the schema is of another version. */
export class SchemaMismatch extends CodedError {
  constructor(database: string, what: string) {
    super("OVSDB_SCHEMA", `database ${database}: ${what}; Open vSwitch 2.17 or newer is needed`);
  }
}

/** A JSON-RPC request was answered with an error. */
export class RpcFailed extends CodedError {
  /** The `error` member of the reply. */
  readonly reply: unknown;

  constructor(path: string, method: string, reply: unknown) {
    super("OVSDB_RPC", `${path}: ${method}: ${typeof reply === "string" ? reply.trim() : JSON.stringify(reply)}`);
    this.reply = reply;
  }
}

/** A transaction was refused as a whole: nothing of it took effect (RFC 7047 §4.1.3, §5.2). */
export class TransactionFailed extends CodedError {
  /** The error of the RFC in its words: `constraint violation`, `referential integrity violation`, `timed out`, … */
  readonly error: string;
  /** Index of the operation at fault; absent when the commit itself failed. */
  readonly operation: number | undefined;

  constructor(failure: { readonly error: string; readonly details: string; readonly operation?: number; readonly text?: string }) {
    const where = failure.text === undefined ? "commit" : `operation ${failure.operation} (${failure.text})`;
    super("OVSDB_TRANSACTION", `OVSDB transaction: ${where}: ${failure.error}${failure.details === "" ? "" : `: ${failure.details}`}`);
    this.error = failure.error;
    this.operation = failure.operation;
  }
}
