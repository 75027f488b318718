import assert from "node:assert/strict";
import { test } from "node:test";
import { minutes } from "#lib/runtime/index.ts";
import { simulate } from "./sim.ts";

test("a start that takes all the time is refused, with the way out", async () => {
  const flags = { nodes: 1, controllers: 1, faults: 0, duration: minutes(3), start: minutes(5), shrink: false };
  await assert.rejects(simulate(flags), { message: /--start.*use less than --duration, which is 3m0s/ });
});
