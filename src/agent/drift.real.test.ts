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
/** Seconds after which what is back is back too late. Default: judged by nobody, as a test that others run beside cannot say whose time it was. */
const within = Number(process.env.DRIFT_WITHIN ?? Number.POSITIVE_INFINITY);
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
}, async (context) => {
  const random = seededRandom(seed);
  const right = await settledPicture(agent);
  const took: { readonly seconds: number; readonly what: string }[] = [];
  for (let run = 0; run < runs; run++) {
    const mutate = mutations[random.below(mutations.length)];
    const what = (await mutate?.(agent, random)) ?? "";
    const changed = performance.now();
    let seen = "";
    const giveUp = AbortSignal.timeout(amplePatience);
    for (seen = await pictureOf(agent).catch(String); seen !== right; seen = await pictureOf(agent).catch(String))
      if (giveUp.aborted) assert.fail(`run ${run} of seed ${seed}: ${what}\n${differing(right, seen)}`);
    took.push({ seconds: (performance.now() - changed) / 1_000, what });
  }
  took.sort((one, other) => other.seconds - one.seconds);
  context.diagnostic(`back last: ${took.slice(0, 3).map(toldTime).join("; ")}`);
  assert.deepEqual(took.filter(({ seconds }) => seconds > within).map(toldTime), [], `not within ${within} s`);
  const told = agent.logged.filter(({ message }) => message === "repaired what somebody else changed");
  assert.ok(told.length > 0, "what was found is in the log");
});

const toldTime = ({ seconds, what }: { readonly seconds: number; readonly what: string }): string => `${seconds.toFixed(1)} s: ${what}`;
