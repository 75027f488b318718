import assert from "node:assert/strict";
import { test } from "node:test";
import { minutes, seconds } from "#lib/runtime/index.ts";
import { simCommand } from "./generate.ts";

test("the command that repeats a run has what is not by default", () => {
  const size = { seed: 7, nodes: 4, pods: 12, duration: minutes(3), faultsPerMinute: 6 };
  assert.equal(simCommand(size), "antctl lab sim --nodes 4 --pods 12 --seed 7 --duration 3m0s --faults 6");
  assert.equal(
    simCommand({ ...size, controllers: 2, startTime: seconds(3), duration: seconds(15) }),
    "antctl lab sim --nodes 4 --pods 12 --controllers 2 --seed 7 --start 3s --duration 15s --faults 6",
  );
});
