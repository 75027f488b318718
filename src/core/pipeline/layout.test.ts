import assert from "node:assert/strict";
import { test } from "node:test";
import { compileSkeleton } from "./compile.ts";
import { cookie } from "./cookie.ts";
import { banks, besideStrangers, entryTable, layoutMark, placeIn, presentLayout, readLayout } from "./layout.ts";
import { registers } from "./registers.ts";
import { createPipeline } from "./tables.ts";

/** What layout 1 has. Fields and tables may be added here; who changes a line makes another layout. */
const layout = {
  number: 1,
  registers: {
    source: "reg0 0",
    destination: "reg0 4",
    hostOrigin: "reg0 8",
    routed: "reg0 9",
    known: "reg0 10",
    hairpin: "reg0 11",
    hairpinReply: "reg0 12",
    stagedOut: "reg0 13",
    stagedIn: "reg0 14",
    dnsListener: "reg0 15",
    forAuditLog: "reg0 31",
    outputPort: "reg1 0",
    profile: "reg2 0",
    page: "reg2 16",
    ingressRule: "reg3 0",
    egressRule: "reg4 0",
    endpoint: "reg5 0",
    tierProfile: "reg6 0",
    service: "reg7 0",
    setBitsLow: "xxreg2 0",
    setBitsHigh: "xxreg3 0",
  },
  tables:
    "0 PipelineRootClassifier, 5 ARPSpoofGuard, 10 ARPResponder, 15 IPv6, 20 NDResponder, 25 NDReply, 30 Classifier, 35 SpoofGuard, 40 PipelineIPClassifier, 45 UnSNAT, " +
    "50 ConntrackZone, 55 ConntrackState, 60 SctpReplies, 65 SctpState, 70 PreRoutingClassifier, 75 NodePortMark, 80 SessionAffinity, 85 ServiceLB, 90 EndpointDNAT, " +
    "95 EgressSecurityClassifier, 100 EgressMembers, 105 EgressPrefixes, 110 AntreaPolicyEgressRule, 115 EgressRule, 120 EgressDefaultRule, 125 EgressMetric, " +
    "130 L3Forwarding, 135 EgressMark, 140 L3DecTTL, 145 TrafficControl, 150 IngressSecurityClassifier, 155 IngressMembers, 160 IngressPrefixes, " +
    "165 AntreaPolicyIngressRule, 170 IngressRule, 175 IngressDefaultRule, 180 IngressMetric, 185 ConntrackCommit, 190 Output, 195 DNSHold, 196 PacketInShares",
};
const everything = ["connectivity", "policy", "service", "nodePort", "egress", "statistics", "trafficControl"] as const;

test("registers and tables are where their layout has them", () => {
  assert.equal(presentLayout, layout.number, "another layout has its own list here");
  for (const [name, place] of Object.entries(layout.registers)) {
    const { field, offset } = registers[name as keyof typeof registers];
    assert.equal(`${field} ${offset}`, place, `${name} moved: count presentLayout up`);
  }
  const tables = createPipeline({ features: everything }).tables.map(({ number, name }) => `${number} ${name}`);
  for (const place of layout.tables.split(", ")) assert.ok(tables.includes(place), `${place} moved: count presentLayout up`);
});

test("no table but the one by which packets enter is in two banks, and no flow leads from one to another", () => {
  const pipelines = banks.map((bank) => createPipeline({ features: everything, bank }));
  const numbers = pipelines.flatMap(({ tables }) => tables.map(({ number }) => number).filter((number) => number !== entryTable));
  assert.equal(new Set(numbers).size, numbers.length);
  assert.ok(Math.max(...numbers) < 254, "Open vSwitch has table 254 for itself");
  for (const pipeline of pipelines) {
    assert.deepEqual(
      pipeline.tables.map(({ name }) => name),
      pipelines[0]?.tables.map(({ name }) => name),
    );
    const places = pipeline.tables.map(({ number }) => number);
    assert.deepEqual(
      places,
      places.toSorted((one, other) => one - other),
    );
    for (const { actions } of compileSkeleton(pipeline))
      for (const action of actions)
        if (action.type === "goto_table")
          assert.ok(pipeline.nameOf(action.table) !== undefined, `table ${action.table} is not of this bank`);
  }
  for (const bank of banks) assert.throws(() => placeIn(bank, 42), { name: "RangeError" });
});

test("beside a stranger's flows no table is among the first, which antrea (Go) numbers one by one", () => {
  const tablesOfGo = 56;
  for (const { number } of createPipeline({ features: everything, bank: besideStrangers }).tables)
    assert.ok(number === entryTable || number >= tablesOfGo);
});

test("the entry table tells the layout that it leads into", () => {
  for (const bank of banks) {
    const flows = compileSkeleton(createPipeline({ bank }));
    assert.deepEqual(readLayout(flows), { number: presentLayout, bank });
    assert.equal(readLayout(flows.filter(({ table }) => table !== entryTable)), undefined);
  }
  // Antrea (Go) has cookies of the same form, and round 1 at its first start.
  for (const object of [0, 1, layoutMark({ number: presentLayout, bank: 1 }) & 0xffff])
    assert.equal(readLayout([{ table: entryTable, cookie: cookie("default", object) }]), undefined);
});
