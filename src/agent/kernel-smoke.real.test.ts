import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { arithmeticPlace } from "#core/policy/cases/arithmetic-place.ts";
import { conversationOf, createSourcePorts } from "#core/policy/cases/case-conversations.ts";
import { policyCases } from "#core/policy/cases/catalogue.ts";
import { type CaseCluster, changed, fixtureCluster } from "#core/policy/cases/cluster.ts";
import { worldOf } from "#core/policy/cases/place.ts";
import { formatProbe, type Probe, probesOf } from "#core/policy/cases/probes.ts";
import { withoutKernel } from "#lib/openflow/testing/datapath.ts";
import { amplePatience, patience } from "#lib/runtime/testing/patience.ts";
import { someProbes } from "./testing/switch-cluster/choose.ts";
import { createSwitchCluster, type SwitchCluster, type Waiting } from "./testing/switch-cluster/switch-cluster.ts";

// Two nodes, a policy and a restart on the kernel's datapath, in half a minute: `npm run test:kernel -- flows`, and in `npm test`. What forwards is in the machine, what
// computes beside it.

const skip = withoutKernel;
const comes: Waiting = { withinMs: amplePatience };
const staysAway: Waiting = { withinMs: 1_000 };
/** Also when the restart is over before. */
const leastTurns = 20;
let switches: SwitchCluster;
before(
  async () => {
    if (!skip) switches = await createSwitchCluster("smoke", { pods: 5 });
  },
  { timeout: patience(240_000) },
);
after(() => switches?.remove());

test("pods of two nodes reach each other as a policy says, and what compiles and writes changes no flow and loses no packet when it starts anew", {
  skip,
  timeout: patience(240_000),
}, async () => {
  const policyCase = policyCases.find(({ id }) => id === "A.1.1");
  const [step] = policyCase?.steps ?? [];
  assert.ok(policyCase && step);
  const cluster = step.changes.reduce(changed, fixtureCluster());
  const here = { cluster, place: arithmeticPlace(cluster), portOf: createSourcePorts() };
  const [forbidden = [], allowed = []] = [true, false].map((isForbidden) =>
    someProbes(probesOf(policyCase, step, cluster)).filter(({ expected }) => (expected === "drop") === isForbidden),
  );
  const silent = new Set<string>();
  const ask = async (probe: Probe): Promise<string> => {
    const { from, to, question } = conversationOf(probe, here);
    if (probe.expected === "drop") silent.add(`${question.protocol} ${question.sourcePort}`);
    return `${formatProbe(probe)}: ${await switches.ask(from, to, question, probe.expected === "drop" ? staysAway : comes)}`;
  };
  const right = async (when: string): Promise<void> => {
    // What is forbidden goes first, so that it would have come when what is allowed has.
    const probes = [...forbidden, ...allowed];
    assert.deepEqual(
      await Promise.all(probes.map(ask)),
      probes.map((probe) => `${formatProbe(probe)}: ${probe.expected}`),
      when,
    );
    assert.deepEqual(
      [...switches.takeStrays().keys()].filter((key) => silent.has(key)),
      [],
      `came late ${when}`,
    );
  };
  await switches.become(worldOf(cluster, here.place));
  await right("at first");

  const [between] = allowed.filter(({ from, to }) => nodeOf(cluster, from) !== nodeOf(cluster, to));
  assert.ok(between && forbidden[0]);
  const open = conversationOf(between, here);
  assert.equal(await switches.ask(open.from, open.to, open.question, comes), "ok");
  const flows = await switches.flows();
  const restarted = new AbortController();
  // One packet after the other, of a connection of before and of new ones, and beside them what no policy lets through.
  const stream = async (): Promise<void> => {
    for (let turn = 0; turn < leastTurns || !restarted.signal.aborted; turn++) {
      assert.ok(await switches.talk(open.from, open.to, open.question, comes), `the connection of before is cut in turn ${turn}`);
      assert.equal(await ask(between), `${formatProbe(between)}: ok`, `a new connection in turn ${turn}`);
    }
  };
  const refusals = async (probe: Probe): Promise<void> => {
    do assert.equal(await ask(probe), `${formatProbe(probe)}: drop`, "in the restart");
    while (!restarted.signal.aborted);
  };
  await Promise.all([stream(), refusals(forbidden[0]), switches.restart().finally(() => restarted.abort())]);
  const later = new Map((await switches.flows()).map((flow) => [identityOf(flow), countersOf(flow)]));
  assert.deepEqual([...later.keys()].sort(), flows.map(identityOf).sort());
  for (const flow of flows) {
    const [age, packets] = countersOf(flow);
    const [ageLater = 0, packetsLater = 0] = later.get(identityOf(flow)) ?? [];
    assert.ok(ageLater >= age && packetsLater >= packets, `made anew: ${flow}`);
  }
  await right("after the restart");
});

const nodeOf = (cluster: CaseCluster, pod: string): string | undefined => cluster.pods.get(pod)?.node;
const changing = /duration=[\d.]+s, |n_packets=\d+, |n_bytes=\d+, |(?:idle|hard)_age=\d+, ?/g;
const identityOf = (flow: string): string => flow.trim().replaceAll(changing, "");
const countersOf = (flow: string): readonly [number, number] => {
  const [, age, packets] = /duration=([\d.]+)s, .*n_packets=(\d+)/.exec(flow) ?? [];
  return [Number(age), Number(packets)];
};
