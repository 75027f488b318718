import { CodedError } from "#lib/runtime/errors.ts";

export class DuplicateInitializer extends CodedError {
  constructor(table: string, source: string) {
    super("DUPLICATE_INITIALIZER", `table ${table}: source ${source} announced itself twice`);
  }
}
