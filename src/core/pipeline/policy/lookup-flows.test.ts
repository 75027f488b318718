import assert from "node:assert/strict";
import { test } from "node:test";
import { addressKey, createBitsTable, newDraft, prefixKey, setBit } from "#core/sets/index.ts";
import { IpAddress, parseAddress, Prefix } from "#lib/ip/index.ts";
import { type Flow, flowKey, normalMatch } from "#lib/openflow/flow.ts";
import { createFlowLedger } from "../flow-ledger.ts";
import { createPipeline } from "../tables.ts";
import { cookiePages } from "../cookie.ts";
import { blockFlows, memberFlows } from "./lookup-flows.ts";
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

test("what is lacking in a part of a table is what is wanted there and not found; lookups are spread over parts and cookies", () => {
  const ledger = createFlowLedger();
  const table = createBitsTable();
  const draft = newDraft();
  setBit(draft, 3, true);
  const bits = table.intern(draft);
  const options = { pipeline, side: policySides.In, page: 0, table, fresh: newDraft() };
  const members = ledger.collect(memberFlows(options));
  const blocks = ledger.collect(blockFlows(options));
  // Ten addresses of each of a hundred nodes, and as many prefixes.
  for (let node = 0; node < 100; node++) {
    for (let host = 2; host < 12; host++) {
      members.set(addressKey(new IpAddress(4, (10n << 24n) + BigInt(node * 256 + host))), bits);
      members.set(addressKey(new IpAddress(6, (0xfd00n << 112n) + (BigInt(node) << 64n) + BigInt(host))), bits);
    }
    for (let part = 0; part < 10; part++) {
      blocks.set(prefixKey(new Prefix(new IpAddress(4, (11n << 24n) + BigInt((node * 16 + part) * 256)), 24)), bits);
      blocks.set(prefixKey(new Prefix(new IpAddress(6, (0xfd00n << 112n) + (BigInt(node * 16 + part) << 64n)), 64)), bits);
    }
  }
  ledger.set("other", [{ ...(ledger.flows().next().value as readonly [string, Flow])[1], table: 3 }]);
  const all = [...ledger.flows()].map(([, flow]) => flow);
  assert.equal(all.length, 4_001);
  const found = new Set(all.filter((_, index) => index % 3 > 0).map(ledger.identify));
  const missing = all.filter((flow) => !found.has(ledger.identify(flow)));
  const keys = (flows: readonly Flow[]): string[] => flows.map(flowKey).sort();
  assert.deepEqual(keys(ledger.lacking(found)), keys(missing));
  for (const number of new Set(all.map((flow) => flow.table))) {
    const inTable = all.filter((flow) => flow.table === number);
    const parts = cookiePages(3).map((part) => {
      const isIn = ({ table: home, cookie }: Flow): boolean => home === number && (cookie & part.cookieMask) === part.cookie;
      assert.deepEqual(keys(ledger.lacking(found, { table: number, ...part })), keys(missing.filter(isIn)));
      return all.filter(isIn).length;
    });
    assert.equal(
      parts.reduce((sum, size) => sum + size, 0),
      inTable.length,
    );
    if (inTable.length === 1) continue;
    assert.ok(Math.max(...parts) < 1.25 * (inTable.length / parts.length), `${number}: ${parts}`);
    // Of 4 096, drawn 2 000 times, some 1 580 are.
    assert.ok(new Set(inTable.map(({ cookie }) => cookie)).size > 1_300, `table ${number}`);
  }
});
