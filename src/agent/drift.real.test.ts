import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { seededRandom, systemRandom } from "#lib/runtime/index.ts";
import { addBystanders, mutations } from "./testing/drift-mutations.ts";
import { differing, pictureOf, settledPicture } from "./testing/picture.ts";
import { createPrivateAgent, type PrivateAgent } from "./testing/private-agent.ts";
import { amplePatience, patience } from "#lib/runtime/testing/patience.ts";

/** `DRIFT_RUNS=500 DRIFT_SEED=7` for more, or for the same again. */
const runs = Number(process.env.DRIFT_RUNS ?? 15);
const seed = Number(process.env.DRIFT_SEED ?? systemRandom.below(2 ** 32));
let agent: PrivateAgent;

before(async () => {
  agent = await createPrivateAgent("agent-drift");
  agent.start();
  await agent.eventually(async () => (await agent.ask("/readyz")) === "ok");
  await agent.addPod("web");
  await agent.addPod("db");
  await addBystanders(agent);
});
after(() => agent.remove());

test(`whatever is changed by hand comes back, and nothing of others is touched (seed ${seed})`, {
  timeout: patience(240_000 + runs * 30_000),
}, async () => {
  const random = seededRandom(seed);
  const right = await settledPicture(agent);
  for (let run = 0; run < runs; run++) {
    const mutate = mutations[random.below(mutations.length)];
    const what = (await mutate?.(agent, random)) ?? "";
    let seen = "";
    const giveUp = AbortSignal.timeout(amplePatience);
    for (seen = await pictureOf(agent).catch(String); seen !== right; seen = await pictureOf(agent).catch(String))
      if (giveUp.aborted) assert.fail(`run ${run} of seed ${seed}: ${what}\n${differing(right, seen)}`);
  }
  const told = agent.logged.filter(({ message }) => message === "repaired what somebody else changed");
  assert.ok(told.length > 0, "what was found is in the log");
});
