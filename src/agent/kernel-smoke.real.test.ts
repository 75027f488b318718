import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { arithmeticPlace } from "#core/policy/cases/arithmetic-place.ts";
import { conversationOf, createSourcePorts } from "#core/policy/cases/case-conversations.ts";
import { policyCases } from "#core/policy/cases/catalogue.ts";
import { changed, fixtureCluster } from "#core/policy/cases/cluster.ts";
import { worldOf } from "#core/policy/cases/place.ts";
import { formatProbe, probesOf } from "#core/policy/cases/probes.ts";
import { withoutKernel } from "#lib/openflow/testing/datapath.ts";
import { amplePatience, patience } from "#lib/runtime/testing/patience.ts";
import { someProbes } from "./testing/switch-cluster/choose.ts";
import { createSwitchCluster, type SwitchCluster } from "./testing/switch-cluster/switch-cluster.ts";

// Two nodes, a policy and a restart on the kernel's datapath, in a minute: `npm run test:kernel -- flows`. What forwards is in the machine, what computes beside it.

const skip = withoutKernel;
let switches: SwitchCluster;
before(
  async () => {
    if (!skip) switches = await createSwitchCluster("smoke", { pods: 5 });
  },
  { timeout: patience(240_000) },
);
after(() => switches?.remove());

test("pods of two nodes reach each other as a policy says, and what compiles and writes changes no flow when it starts anew", {
  skip,
  timeout: patience(240_000),
}, async () => {
  const policyCase = policyCases.find(({ id }) => id === "A.1.1");
  const [step] = policyCase?.steps ?? [];
  assert.ok(policyCase && step);
  const cluster = step.changes.reduce(changed, fixtureCluster());
  const place = arithmeticPlace(cluster);
  const portOf = createSourcePorts();
  const probes = someProbes(probesOf(policyCase, step, cluster));
  const right = async (when: string): Promise<void> => {
    const verdicts = await Promise.all(
      probes.map(async (probe) => {
        const { from, to, question } = conversationOf(probe, { cluster, place, portOf });
        const verdict = await switches.ask(from, to, question, { withinMs: probe.expected === "drop" ? 1_000 : amplePatience });
        return `${formatProbe(probe)}: ${verdict}`;
      }),
    );
    assert.deepEqual(
      verdicts,
      probes.map((probe) => `${formatProbe(probe)}: ${probe.expected}`),
      when,
    );
  };
  await switches.become(worldOf(cluster, place));
  await right("at first");
  const flows = await switches.flows();
  await switches.restart();
  const later = new Map((await switches.flows()).map((flow) => [identityOf(flow), countersOf(flow)]));
  assert.deepEqual([...later.keys()].sort(), flows.map(identityOf).sort());
  for (const flow of flows) {
    const [age, packets] = countersOf(flow);
    const [ageLater = 0, packetsLater = 0] = later.get(identityOf(flow)) ?? [];
    assert.ok(ageLater >= age && packetsLater >= packets, `made anew: ${flow}`);
  }
  await right("after the restart");
});

const changing = /duration=[\d.]+s, |n_packets=\d+, |n_bytes=\d+, |(?:idle|hard)_age=\d+, ?/g;
const identityOf = (flow: string): string => flow.trim().replaceAll(changing, "");
const countersOf = (flow: string): readonly [number, number] => {
  const [, age, packets] = /duration=([\d.]+)s, .*n_packets=(\d+)/.exec(flow) ?? [];
  return [Number(age), Number(packets)];
};
