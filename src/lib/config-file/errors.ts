import { CodedError } from "#lib/runtime/errors.ts";

/** A configuration that cannot be used: nothing was started. One line: file, key, what is wrong, what would be right. */
export class InvalidConfig extends CodedError {
  constructor(file: string, key: string, problem: string) {
    super("INVALID_CONFIG", [file, key, problem].filter((part) => part !== "").join(": "));
  }
}
