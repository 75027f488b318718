import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { PolicyCase } from "#core/policy/cases/case.ts";
import { createSourcePorts } from "#core/policy/cases/case-conversations.ts";
import { orderedCases, policyCases } from "#core/policy/cases/catalogue.ts";
import { everyProbe, someProbes, standsForItsSection } from "./testing/switch-cluster/choose.ts";
import { runOnSwitch } from "./testing/switch-cluster/run-case.ts";
import { createSwitchCluster, type SwitchCluster } from "./testing/switch-cluster/switch-cluster.ts";
import { withoutKernel } from "#lib/openflow/testing/datapath.ts";
import { patience } from "#lib/runtime/testing/patience.ts";

// The numbered policy cases on two real switches. In user space the lab plays them with real sockets: here they are for the kernel's datapath, and for SCTP.

/**
 * `POLICY_CASES=all` plays every case with every probe; `POLICY_CASES=A.4,E.1-38` those whose number begins so, with every probe, whatever the datapath;
 * `POLICY_PROBES=few` beside it a few of each kind, as without it.
 */
const wanted = process.env.POLICY_CASES;
const numbers = wanted?.split(",") ?? [];
const all: readonly PolicyCase[] = [...policyCases, ...orderedCases];
const cases =
  wanted === undefined
    ? all.filter(standsForItsSection)
    : wanted === "all"
      ? all
      : all.filter(({ id }) => numbers.some((number) => id.startsWith(number)));
const choose = wanted === undefined || process.env.POLICY_PROBES === "few" ? someProbes : everyProbe;
const skip = wanted === undefined && withoutKernel;
const portOf = createSourcePorts();

let cluster: SwitchCluster;
before(
  async () => {
    if (!skip) cluster = await createSwitchCluster("cases");
  },
  { timeout: patience(240_000) },
);
after(() => cluster?.remove());

for (const policyCase of cases)
  test(`${policyCase.id} on a real switch: ${policyCase.title}`, { skip, timeout: patience(240_000) }, async () => {
    const wrong = await runOnSwitch(policyCase, { cluster, choose, portOf });
    assert.equal(wrong.length, 0, `${wrong.length} rows disagree:\n${wrong.slice(0, 20).join("\n")}`);
  });
