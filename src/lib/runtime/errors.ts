/** Base of every error of ours: a stable `code` for programs, a message that says what, where and what to do for people. */
export class CodedError extends Error {
  readonly code: string;

  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
    this.name = new.target.name;
  }
}

/** A file has more than whoever reads it can make use of. */
export class FileTooLarge extends CodedError {
  constructor({ path, size, atMost }: { readonly path: string; readonly size: number; readonly atMost: number }) {
    super("FILE_TOO_LARGE", `${path}: ${size} bytes are more than ${atMost}`);
  }
}

/** The message of anything thrown. */
export function errorMessage(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** What is wrong with a file, for a line that names the file already: the words of the system alone (errno(3)). */
export function fileProblem(error: unknown): string {
  const message = errorMessage(error);
  return /^E[A-Z]+: (.*), \w+(?: '.*')?$/s.exec(message)?.[1] ?? message;
}

/** The `code` of an error of ours or of Node (`ENOENT`, …), or undefined. */
export function errorCode(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | undefined)?.code;
  return typeof code === "string" ? code : undefined;
}
