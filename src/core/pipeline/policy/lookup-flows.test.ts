import assert from "node:assert/strict";
import { test } from "node:test";
import { addressKey, createBitsTable, newDraft, setBit } from "#core/sets/index.ts";
import { parseAddress } from "#lib/ip/index.ts";
import { type Flow, flowKey, normalMatch } from "#lib/openflow/flow.ts";
import { createFlowLedger } from "../flow-ledger.ts";
import { createPipeline } from "../tables.ts";
import { memberFlows } from "./lookup-flows.ts";
import { policySides } from "./sides.ts";

const pipeline = createPipeline();
const addresses = ["10.0.0.1", "10.0.1.1", "0.0.0.0", "255.255.255.255", "fd00::1", "fd00::100", "::"].map(parseAddress);

test("a ledger tells the flows of lookup tables apart without their keys, as their keys do", () => {
  const ledger = createFlowLedger();
  const table = createBitsTable();
  const draft = newDraft();
  setBit(draft, 3, true);
  const bits = table.intern(draft);
  const pages = [0, 1, 7].map((page) => memberFlows({ pipeline, side: policySides.In, page, table, fresh: newDraft() }));
  const collections = pages.map((kind) => ledger.collect(kind));
  for (const collection of collections.slice(0, 2)) for (const address of addresses) collection.set(addressKey(address), bits);
  const told = pages.flatMap((kind) => addresses.map((address) => kind.flow(addressKey(address), bits)));
  const [sample] = told as [Flow];
  const others: Flow[] = [
    { ...sample, match: {} },
    { ...sample, priority: 1 },
    { ...sample, match: { ...sample.match, ip_proto: 6n } },
    { ...sample, match: { ...sample.match, ip_src: { value: 0x0a00_0000n, mask: 0xff00_0000n } } },
    { ...sample, table: pipeline.table(policySides.Out.members) },
  ];
  // As a switch gives them back.
  const present = [...told, ...others].map((flow) => ({ ...flow, match: normalMatch({ ...flow.match }) }));
  for (const one of present) {
    for (const other of present) assert.equal(ledger.identify(one) === ledger.identify(other), flowKey(one) === flowKey(other));
    const wanted = ledger.get(flowKey(one));
    assert.equal(ledger.compare(one), wanted === undefined ? "unknown" : "same");
    if (wanted !== undefined) assert.equal(ledger.compare({ ...one, actions: [] }), "other");
  }
  assert.equal(present.filter((flow) => ledger.compare(flow) === "same").length, 2 * addresses.length);
});
