import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Reader, Writer } from "#lib/bytes/index.ts";
import type { Action } from "./action.ts";
import { readActions, readInstructions, writeActions } from "./actions/index.ts";
import { formatActions, formatFlow, normalMatch, parseActions, parseFlow, sameContent, sameFlow } from "./flow.ts";
import { readFlowMod, writeFlowMod } from "./messages/flow-mod.ts";
import { formatSubfield, parseSubfield } from "./subfield.ts";
import { anyAction, anyFlow, anySubfield } from "./testing/arbitrary.ts";

test("every action comes back from the wire and from text", () => {
  fc.assert(
    fc.property(fc.array(anyAction, { minLength: 1, maxLength: 5 }), (actions) => {
      const writer = new Writer();
      writeActions(writer, actions);
      assert.deepEqual(readActions(new Reader(writer.result())), actions);
      assert.deepEqual(parseActions(formatActions(actions)), actions);
    }),
    { numRuns: 500 },
  );
});

test("the port ANY and a mask of zero are told apart in text", () => {
  const actions: Action[] = [
    { type: "set_field", field: "in_port_oxm", value: 0xffff_ffffn },
    { type: "set_field", field: "in_port_oxm", value: 0n, mask: 0n },
  ];
  assert.equal(formatActions(actions), "set_field:NONE->in_port_oxm,set_field:ANY->in_port_oxm");
  assert.deepEqual(parseActions(formatActions(actions)), actions);
});

test("every flow comes back from the wire and from text", () => {
  fc.assert(
    fc.property(anyFlow, (flow) => {
      const normal = { ...flow, match: normalMatch(flow.match) };
      const writer = new Writer();
      writeFlowMod(writer, { command: "add", flow }, 7);
      assert.deepEqual(readFlowMod(writer.result().subarray(8)), { command: "add", flow: normal });
      const parsed = parseFlow(formatFlow(flow));
      assert.deepEqual({ ...parsed, match: normalMatch(parsed.match) }, normal);
      assert.ok(sameFlow(flow, parsed));
    }),
    { numRuns: 500 },
  );
});

test("every part of a field comes back from text", () => {
  fc.assert(fc.property(anySubfield, (subfield) => assert.deepEqual(parseSubfield(formatSubfield(subfield)), subfield)));
});

test("load is the set_field that the switch keeps", () => {
  const load = parseFlow("actions=load:0x5->NXM_NX_REG0[4..7]");
  assert.equal(formatFlow(load), "actions=set_field:0x50/0xf0->reg0");
  const written = { ...load, actions: [{ type: "load" as const, value: 5n, destination: parseSubfield("reg0[4..7]") }] };
  assert.ok(sameFlow(load, written));
  assert.equal(formatFlow(written), formatFlow(load));
});

test("what the switch does not keep makes no difference, what it keeps does", () => {
  const flow = parseFlow("table=1,ip actions=output:1");
  assert.ok(sameContent(flow, { ...flow, flags: ["check_overlap", "reset_counts"] }));
  assert.ok(!sameContent(flow, { ...flow, flags: ["send_flow_rem"] }));
  assert.ok(!sameContent(flow, { ...flow, cookie: 1n }));
  assert.ok(!sameContent(flow, { ...flow, idleTimeout: 5 }));
  assert.ok(!sameContent(flow, { ...flow, actions: parseActions("output:2") }));
  assert.ok(!sameFlow(flow, { ...flow, priority: 1 }));
});

test("tables are printed and read by name where they have one", () => {
  const names = { tableName: (table: number) => (table === 5 ? "IngressRule" : undefined) };
  const numbers = { tableNumber: (name: string) => (name === "IngressRule" ? 5 : undefined) };
  const text =
    "table=IngressRule, priority=10,ip actions=ct(commit,table=IngressRule),resubmit(,IngressRule),learn(table=IngressRule),goto_table:6";
  const flow = parseFlow(text, numbers);
  assert.equal(flow.table, 5);
  assert.equal(formatFlow(flow, names), text);
});

test("a flow with its counters reads like a line of dump-flows, and back", () => {
  const flow = parseFlow("cookie=0x5,table=2,priority=3,arp actions=drop");
  const line = formatFlow(flow, { stats: { packets: 7n, bytes: 420n, duration: 1.25, idle: 1 } });
  assert.equal(line, "cookie=0x5, duration=1.25s, table=2, n_packets=7, n_bytes=420, idle_age=1, priority=3,arp actions=drop");
  assert.deepEqual(parseFlow(line), flow);
});

test("unknown actions and instructions are kept whole and sent back", () => {
  const action = Uint8Array.from(Buffer.from("ffff001000009999000500000000000a", "hex"));
  const instruction = Uint8Array.from(Buffer.from("000b000812345678", "hex"));
  const apply = Uint8Array.from([0, 4, 0, 24, 0, 0, 0, 0, ...action]);
  const actions = readInstructions(new Reader(Uint8Array.from([...instruction, ...apply])));
  assert.deepEqual(actions, [
    { type: "unknown", layer: "action", bytes: action },
    { type: "unknown", layer: "instruction", bytes: instruction },
  ]);
  const flow = { table: 0, priority: 0, cookie: 0n, match: {}, actions };
  const writer = new Writer();
  writeFlowMod(writer, { command: "add", flow }, 1);
  assert.deepEqual(readFlowMod(writer.result().subarray(8))?.flow.actions, actions);
  assert.deepEqual(parseActions(formatActions(actions)), actions);
});

test("arbitrary bytes are actions, known or not", () => {
  const truncatedAction = fc.tuple(anyAction, fc.nat(), fc.integer({ min: 0, max: 255 })).map(([action, place, value]) => {
    const writer = new Writer();
    writeActions(writer, [action]);
    const bytes = writer.result().slice();
    bytes[place % bytes.length] = value;
    return bytes;
  });
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array({ maxLength: 200 }), truncatedAction), (bytes) => {
      assert.ok(Array.isArray(readActions(new Reader(bytes))));
      assert.ok(Array.isArray(readInstructions(new Reader(bytes))));
    }),
    { numRuns: 2_000 },
  );
});

test("deeply nested actions end as unknown, not in a stack overflow", () => {
  let bytes = new Uint8Array(0);
  for (let depth = 0; depth < 3_000; depth++) {
    const length = bytes.length + 16;
    bytes = Uint8Array.from([0xff, 0xff, length >> 8, length & 0xff, 0, 0, 0x23, 0x20, 0, 42, 0, 0, 0, 0, 0, 0, ...bytes]);
  }
  assert.match(formatActions(readActions(new Reader(bytes))), /^clone\(clone\(.*unknown_action/);
});

test("wrong text says what is wrong with it", () => {
  for (const [text, message] of [
    ["table=1,ip", '"table=1,ip" lacks its actions, such as "actions=drop"'],
    ["table=300 actions=drop", '"table=300" names no table'],
    ["actions=outputt:1", '"outputt:1" is no action and no port such as 1 or LOCAL'],
    ["actions=ct(commit,zone=70000)", '"ct(commit,zone=70000)" is not what this action takes'],
    ["actions=load:0x10->NXM_NX_REG0[0..3]", '"load:0x10->NXM_NX_REG0[0..3]" is not what this action takes'],
    ["actions=conjunction(1,3/2)", '"conjunction(1,3/2)" is not what this action takes'],
    [
      "actions=move:NXM_NX_REG0[0..40]->NXM_NX_REG1[]",
      '"NXM_NX_REG0[0..40]" is no field or part of one, such as NXM_NX_REG0[4..7] or eth_src[]',
    ],
    ["priority=65536 actions=drop", '"priority=65536" is not a number up to 65535'],
  ] as const)
    assert.throws(() => parseFlow(text), { code: "INVALID_FLOW_TEXT", message });
});

test("an action behind an instruction is refused", () => {
  const flow = parseFlow("actions=goto_table:3,output:1");
  assert.throws(() => writeFlowMod(new Writer(), { command: "add", flow }, 1), { code: "UNENCODABLE_FLOW" });
});
