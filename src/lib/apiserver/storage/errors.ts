import { CodedError } from "#lib/runtime/errors.ts";

export class StorageNotUsable extends CodedError {
  constructor(file: string, problem: string, options?: ErrorOptions) {
    super("STORAGE_NOT_USABLE", `${file}: ${problem}`, options);
  }
}
