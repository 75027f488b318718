import assert from "node:assert/strict";
import { test } from "node:test";
import { seconds, virtualRuntime } from "#lib/runtime/index.ts";
import { createRestarts } from "./restarts.ts";

test("who ends early again and again waits longer, at most some seconds; who lived well is quick again", async () => {
  const runtime = virtualRuntime({ seed: 1 });
  const restarts = createRestarts({ runtime, name: "p" });
  const waited = async (): Promise<number> => {
    const before = runtime.clock.monotonic();
    const pause = restarts.pause("exit 1");
    runtime.clock.step();
    await pause;
    restarts.started();
    return runtime.clock.monotonic() - before;
  };
  const waits: number[] = [];
  for (let time = 0; time < 12; time++) waits.push(await waited());
  assert.ok((waits[0] ?? 0) < 200, `first ${waits[0]}`);
  assert.ok((waits.at(-1) ?? 0) > 1_000 && Math.max(...waits) < 7_500, `then ${waits.at(-1)}`);
  runtime.clock.advance(seconds(11));
  assert.ok((await waited()) < 200);
  assert.equal(restarts.count, 13);
});
