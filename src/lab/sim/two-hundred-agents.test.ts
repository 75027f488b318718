import assert from "node:assert/strict";
import { after, test } from "node:test";
import { seconds } from "#lib/runtime/index.ts";
import { generateScenario } from "./generate.ts";
import { isFault } from "./scenario.ts";
import { createSimulations } from "./testing/simulations.ts";

const { run, close } = createSimulations();
after(close);

/** Agents, controllers, API server, disks, database, switches and network go wrong, five to eight times in ten seconds, and never for longer than until 25 s. */
for (const seed of [30, 31, 54, 74, 76])
  test(`two hundred agents and two controllers, broken from seed ${seed}: nothing is wrong`, async (context) => {
    const size = { nodes: 200, pods: 20, controllers: 2, startTime: seconds(3), duration: seconds(15), faultsPerMinute: 60 };
    const scenario = generateScenario({ seed, ...size });
    const { problems, figures } = await run({ scenario });
    assert.deepEqual(problems, []);
    assert.ok(scenario.events.filter(isFault).length >= 5);
    assert.ok(figures.packets > 200 && figures.served > 20 && figures.unjudged < figures.packets / 10 && figures.sums > 0);
    assert.ok(figures.runningPods > 10 && figures.flows > 200 * 600);
    context.diagnostic(JSON.stringify(figures));
  });
