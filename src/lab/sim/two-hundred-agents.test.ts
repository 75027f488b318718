import assert from "node:assert/strict";
import { after, test } from "node:test";
import { seconds } from "#lib/runtime/index.ts";
import { generateScenario, simCommand } from "./generate.ts";
import { isFault } from "./scenario.ts";
import { createSimulations } from "./testing/simulations.ts";

// One for each of two processors: together they take two minutes of one.
const threads = [createSimulations(), createSimulations()] as const;
after(() => Promise.all(threads.map(({ close }) => close())));

const size = { nodes: 200, pods: 20, controllers: 2, startTime: seconds(3), duration: seconds(15), faultsPerMinute: 60 };
/** Agents, controllers, API server, disks, database, switches and network go wrong, five to eight times in ten seconds, and never for longer than until 25 s. */
const runs = [30, 31, 54, 74, 76].map((seed, index) => {
  const command = simCommand({ seed, ...size });
  const scenario = generateScenario({ seed, ...size });
  const outcome = threads[index % 2 === 0 ? 0 : 1].run({ scenario });
  // its own test tells
  outcome.catch(() => {});
  return { command, scenario, outcome };
});

for (const { command, scenario, outcome } of runs)
  test(`nothing is wrong when two hundred agents and two controllers are broken: ${command}`, async (context) => {
    const { problems, figures } = await outcome;
    assert.deepEqual(problems, []);
    assert.ok(scenario.events.filter(isFault).length >= 5);
    assert.ok(figures.packets > 200 && figures.served > 20 && figures.unjudged < figures.packets / 10 && figures.sums > 0);
    assert.ok(figures.runningPods > 10 && figures.flows > 200 * 600);
    context.diagnostic(JSON.stringify(figures));
  });
