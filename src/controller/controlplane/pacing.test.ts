import assert from "node:assert/strict";
import { test } from "node:test";
import { StatusError } from "#lib/apiserver/errors.ts";
import { seededRandom } from "#lib/runtime/index.ts";
import { createPacing } from "./pacing.ts";

test("who comes while what others began with has not left is told when to come back, and is let in when it has", () => {
  const pacing = createPacing({ random: seededRandom(1), limitBytes: 100 });
  const sinks = [60, 60].map((pendingBytes) => ({ send: () => true, close() {}, pendingBytes }));
  pacing.admit();
  for (const sink of sinks) pacing.began(sink);
  const waits = new Set<number | undefined>();
  for (let come = 0; come < 50; come++)
    assert.throws(
      () => pacing.admit(),
      (error) => {
        assert.ok(error instanceof StatusError && error.httpStatus === 429);
        waits.add(error.details.retryAfterSeconds);
        return true;
      },
    );
  assert.deepEqual([...waits].sort(), [1, 2, 3], "not all at the same moment");
  for (const sink of sinks) sink.pendingBytes = 0;
  pacing.admit();
});
