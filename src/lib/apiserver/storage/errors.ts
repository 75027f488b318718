import { CodedError } from "#lib/runtime/errors.ts";

/** The database cannot be opened or written: damaged, of a newer program, in use, or the disk is full. */
export class StorageNotUsable extends CodedError {
  constructor(file: string, problem: string, options?: ErrorOptions) {
    super("STORAGE_NOT_USABLE", `${file}: ${problem}`, options);
  }
}
