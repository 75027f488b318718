// A reporter of node:test: a line for each test that failed, `FILE: TEST: what it says`. `npm test` repeats them at its end.
import { relative } from "node:path";

/** What of node:test's event `test:fail` is read here. */
export interface TestEvent {
  readonly type: string;
  readonly data: {
    readonly name?: string;
    readonly file?: string | undefined;
    readonly details?: { readonly error?: { readonly message?: string; readonly failureType?: string; readonly cause?: unknown } };
  };
}

/** An assertion's first line alone seldom says what was seen; a script of a lab says what is wrong with its pods. */
const longest = 800;

export default async function* failures(events: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  for await (const { type, data } of events) {
    const error = data.details?.error;
    // One that failed as a test in it failed says nothing more.
    if (type !== "test:fail" || error === undefined || error.failureType === "subtestsFailed") continue;
    const { cause } = error;
    const message = cause instanceof Error ? cause.message : typeof cause === "string" ? cause : (error.message ?? "");
    const lines = message
      .split("\n")
      .map((line) => line.trim())
      .filter((line) => line !== "");
    const file = data.file === undefined ? [] : [relative(process.cwd(), data.file)];
    yield `${[...file, data.name ?? "", lines.join(" | ").slice(0, longest)].join(": ")}\n`;
  }
}
