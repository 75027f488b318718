import { CodedError } from "#lib/runtime/errors.ts";

/** Two register fields claim one bit, or a field does not fit. A mistake in the code, found at start. */
export class RegisterConflict extends CodedError {
  constructor(field: string, problem: string) {
    super("REGISTER_CONFLICT", `register field ${field}: ${problem}`);
  }
}

/** A flow names a table that the enabled features do not have, or one that does not come later. A mistake in the code. */
export class TableConflict extends CodedError {
  constructor(table: string, problem: string) {
    super("TABLE_CONFLICT", `table ${table}: ${problem}`);
  }
}
