import { after, before, describe, test } from "node:test";
import { orderedCases, policyCases } from "#core/policy/cases/catalogue.ts";
import type { PolicyCase } from "#core/policy/cases/case.ts";
import { changed, fixtureCluster } from "#core/policy/cases/cluster.ts";
import { probesOf } from "#core/policy/cases/probes.ts";
import { systemRuntime } from "#lib/runtime/runtime.ts";
import { type Lab, labUp } from "../../src/lab/lab.ts";
import { defaultPodCidrs, defaultServiceCidrs } from "../../src/lab/spec.ts";
import { canBeConfined } from "./confined.ts";
import { createPodPool, type PodPool, type Slot, slotCount } from "./pod-pool.ts";
import { runCase } from "./run-case.ts";
import { createRecord } from "./record.ts";

// Every case of the sheet with real packets: one lab of two nodes, the fixture's nine pods five times beside each other, a case at a time in each. Cases that
// are about everybody come then, one after the other.

const name = `netpol-${process.pid % 100_000}`;
/** For work on a case: `POLICY_LAB=NAME` uses a lab that runs, `POLICY_CASES=A.5,E.1-14` plays those alone, `POLICY_SLOTS=1` one after the other. */
const existing = process.env.POLICY_LAB;
const wanted = process.env.POLICY_CASES?.split(",");
const slots = Number(process.env.POLICY_SLOTS ?? slotCount);
const isChosen = ({ id }: PolicyCase): boolean =>
  wanted === undefined || wanted.some((part) => id === part || id.startsWith(`${part}.`) || id.startsWith(`${part}-`));

/** Far above what the longest takes, as each wait in a case has a limit of its own. */
const caseLimitMs = 20 * 60_000;
/** What a step costs beside its questions, in questions. */
const questionsOfStep = 200;

let lab: Lab | undefined;
let pool: PodPool;
const free: Slot[] = [];
/** Cases that a slot is not free for yet: one whose time is up holds its own until it has put it in order. */
const waiting: ((slot: Slot) => void)[] = [];
const record = createRecord();

before(
  async () => {
    if (existing === undefined) {
      const spec = { name, nodes: 2, podCidrs: defaultPodCidrs, serviceCidrs: defaultServiceCidrs, uplink: false, fromSource: false };
      lab = await labUp({ runtime: systemRuntime({ level: "warn" }), spec });
    }
    pool = await createPodPool({ lab: existing ?? name, slots });
    free.push(...pool.slots);
  },
  { timeout: 600_000 },
);

after(async () => {
  pool?.close();
  await lab?.down();
  record.write();
});

const freeSlot = (): Promise<Slot> => {
  const slot = free.pop();
  return slot === undefined ? new Promise((resolve) => waiting.push(resolve)) : Promise.resolve(slot);
};

const release = (slot: Slot): void => {
  const next = waiting.shift();
  if (next === undefined) free.push(slot);
  else next(slot);
};

const play = (policyCase: PolicyCase): void =>
  void test(`${policyCase.id}: ${policyCase.title}`, { timeout: caseLimitMs }, async () => {
    const slot = await freeSlot();
    try {
      const outcome = await runCase({ pool, slot, policyCase });
      record.passed(policyCase.id, outcome);
    } catch (error) {
      record.failed(policyCase.id);
      throw error;
    } finally {
      release(slot);
    }
  });

/** How many questions a case asks, and of its steps each costs as much time as many questions. */
const sizeOf = (policyCase: PolicyCase): number => {
  let cluster = fixtureCluster();
  const sizes = policyCase.steps.map((step) => {
    for (const change of step.changes) cluster = changed(cluster, change);
    return questionsOfStep + probesOf(policyCase, step, cluster).length;
  });
  return sizes.reduce((sum, size) => sum + size, 0);
};

/** The longest first, so that at the end no slot waits for one. */
const cases = [...policyCases, ...orderedCases]
  .filter(isChosen)
  .filter(({ refusedByApi }) => !refusedByApi)
  .map((policyCase) => ({ policyCase, size: sizeOf(policyCase) }))
  .sort((one, other) => other.size - one.size)
  .map(({ policyCase }) => policyCase);

describe("cases", { concurrency: slots }, () => {
  for (const policyCase of cases.filter(canBeConfined)) play(policyCase);
});

describe("cases of the whole cluster", () => {
  for (const policyCase of cases.filter((each) => !canBeConfined(each))) play(policyCase);
});
