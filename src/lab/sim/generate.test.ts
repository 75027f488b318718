import assert from "node:assert/strict";
import { test } from "node:test";
import { minutes, seconds } from "#lib/runtime/index.ts";
import { parsePrefix } from "#lib/ip/index.ts";
import { generateScenario, simCommand } from "./generate.ts";
import { nodeAddresses } from "./node/addresses.ts";

test("the command that repeats a run has what is not by default", () => {
  const size = { seed: 7, nodes: 4, pods: 12, duration: minutes(3), faultsPerMinute: 6 };
  assert.equal(simCommand(size), "antctl lab sim --nodes 4 --pods 12 --seed 7 --duration 3m0s --faults 6");
  assert.equal(
    simCommand({ ...size, controllers: 2, startTime: seconds(3), duration: seconds(15) }),
    "antctl lab sim --nodes 4 --pods 12 --controllers 2 --seed 7 --start 3s --duration 15s --faults 6",
  );
});

test("policies of clusters of any size name blocks of their nodes", () => {
  for (const nodes of [1, 300, 5_000]) {
    const blocks = Array.from({ length: nodes }, (_, index) => nodeAddresses(index).podCIDRs)
      .flat()
      .map(parsePrefix);
    const scenario = generateScenario({ seed: 1, nodes, pods: 300, duration: minutes(2), faultsPerMinute: 0 });
    const named = new Set(JSON.stringify(scenario).match(/[0-9a-f:.]+\/(26|72)\b/g));
    assert.ok(named.size > 0);
    for (const prefix of [...named].map(parsePrefix))
      assert.ok(
        blocks.some((block) => block.contains(prefix.address)),
        String(prefix),
      );
  }
});
