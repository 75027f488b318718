import { errorMessage } from "#lib/runtime/errors.ts";

/** What in a policy cannot be used: `path: reason; what comes of it`. */
export class Problems {
  readonly found: string[] = [];

  note(path: string, problem: string): void {
    this.found.push(`${path}: ${problem}`);
  }

  /** What `read` makes of a part, or undefined where it throws: that part selects nothing. */
  attempt<Value>(path: string, read: () => Value): Value | undefined {
    try {
      return read();
    } catch (error) {
      this.note(path, `${errorMessage(error)}; it selects nothing`);
      return undefined;
    }
  }
}
