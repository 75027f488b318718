import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import failures, { type TestEvent } from "./failures.ts";

async function reported(...events: readonly TestEvent[]): Promise<string[]> {
  async function* stream(): AsyncGenerator<TestEvent> {
    yield* events;
  }
  const lines: string[] = [];
  for await (const line of failures(stream())) lines.push(line);
  return lines;
}
const failed = (name: string, error: NonNullable<TestEvent["data"]["details"]>["error"] & {}): TestEvent => ({
  type: "test:fail",
  data: { name, file: join(process.cwd(), "src/some.test.ts"), details: { error } },
});

test("a test that failed is a line with its file and what it says; what passed and what only holds it is none", async () => {
  const lines = await reported(
    { type: "test:pass", data: { name: "fine" } },
    failed("adds", { message: "wrapped", failureType: "testCodeFailure", cause: new Error("2 is not 3:\n\n+ 2\n- 3") }),
    failed("all of it", { message: "1 subtest failed", failureType: "subtestsFailed" }),
    failed("hangs", { message: "test timed out", failureType: "testTimeoutFailure", cause: "test timed out after 5 ms" }),
  );
  assert.deepEqual(lines, ["src/some.test.ts: adds: 2 is not 3: | + 2 | - 3\n", "src/some.test.ts: hangs: test timed out after 5 ms\n"]);
});
