import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { OutOfBytes, Reader, Writer } from "#lib/bytes/index.ts";
import { flowKey } from "./flow.ts";
import { type Match, matchTerms, missingPrerequisites, normalMatch } from "./match.ts";
import { formatMatch, parseMatch } from "./match-text.ts";
import { readFields, readMatch, writeMatch } from "./oxm.ts";
import { anyMatch, printableMatch } from "./testing/arbitrary.ts";

const keyOf = (match: Match): string => flowKey({ table: 0, priority: 0, match });

test("one condition written in several ways is one flow", () => {
  const same: readonly (readonly [Match, Match])[] = [
    [{ xreg1: 0x0000000500000007n }, { reg3: 7n, reg2: 5n }],
    [{ xxreg0: { value: 1n << 96n, mask: 0xffn << 96n } }, { reg0: { value: 1n, mask: 0xffn } }],
    [{ in_port: 0xfffen }, { in_port_oxm: 0xfffffffen }],
    [{ vlan_vid: 0x1005n, vlan_pcp: 3n }, { vlan_tci: 0x7005n }],
    [{ vlan_tci: 0n }, { vlan_vid: 0n }],
    [{ nw_tos: 184n }, { ip_dscp: 46n }],
    [{ reg0: { value: 0xffn, mask: 0x0fn } }, { reg0: { value: 0x0fn, mask: 0x0fn } }],
    [{ reg0: { value: 5n, mask: 0xffff_ffffn } }, { reg0: 5n }],
    [{ reg0: { value: 0n, mask: 0n }, packet_type: 0n }, {}],
  ];
  for (const [one, other] of same) assert.equal(keyOf(one), keyOf(other));
  assert.notEqual(keyOf({ reg0: 5n }), keyOf({ reg0: { value: 5n, mask: 0xffn } }));
});

test("a flow is the same however its conditions are ordered, and as the switch gives them back", () => {
  fc.assert(
    fc.property(anyMatch, (match) => {
      const turned = Object.fromEntries(Object.entries(match).reverse()) as Match;
      assert.equal(keyOf(turned), keyOf(match));
      assert.equal(keyOf(normalMatch(match)), keyOf(match));
    }),
  );
});

test("a value wider than its field is refused by the field's name", () => {
  assert.throws(() => matchTerms({ tcp_dst: 0x10000n }), {
    code: "UNENCODABLE_FLOW",
    message: "tcp_dst: 65536/65535 does not fit its 16 bits",
  });
  assert.throws(() => matchTerms({ reg0: -1n }), { code: "UNENCODABLE_FLOW" });
});

test("missing prerequisites are named", () => {
  assert.deepEqual(missingPrerequisites({ tcp_dst: 80n, eth_type: 0x0800n }), [{ field: "tcp_dst", needs: "ip_proto" }]);
  assert.deepEqual(missingPrerequisites({ tcp_dst: 80n, eth_type: 0x86ddn, ip_proto: 6n }), []);
  assert.deepEqual(missingPrerequisites({ nd_target: 1n, eth_type: 0x86ddn, ip_proto: 58n, icmpv6_type: 135n }), []);
});

test("every match comes back from the wire in its normal form", () => {
  fc.assert(
    fc.property(anyMatch, (match) => {
      const writer = new Writer();
      writeMatch(writer, match);
      assert.equal(writer.length % 8, 0);
      const reader = new Reader(writer.result());
      assert.deepEqual(readMatch(reader), { match: normalMatch(match) });
      assert.equal(reader.left, 0);
    }),
    { examples: [[{ in_port_oxm: 0n }]] },
  );
});

test("every match comes back from text in its normal form", () => {
  fc.assert(fc.property(printableMatch, (match) => assert.deepEqual(normalMatch(parseMatch(formatMatch(match))), normalMatch(match))));
});

test("conditions on unknown fields are kept as they came", () => {
  const unknown = Uint8Array.from([0x80, 0x00, 0xfe, 0x02, 1, 2]);
  const { match, unknownFields } = readFields(Uint8Array.from([...unknown, 0x80, 0x00, 0x0a, 0x02, 0x08, 0x00]));
  assert.deepEqual(match, { eth_type: 0x0800n });
  assert.deepEqual(unknownFields, [unknown]);
  const writer = new Writer();
  writeMatch(writer, match, unknownFields);
  assert.deepEqual(readMatch(new Reader(writer.result())), { match, unknownFields });
  assert.notEqual(flowKey({ table: 0, priority: 0, match, unknownFields: [unknown] }), keyOf(match));
});

test("arbitrary bytes are a match or cut short, nothing else", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      try {
        readMatch(new Reader(bytes));
      } catch (error) {
        assert.ok(error instanceof OutOfBytes);
      }
    }),
    { numRuns: 2_000 },
  );
});

test("wrong text says what is wrong with it", () => {
  for (const [text, message] of [
    ["ip,nw_srx=1.2.3.4", '"nw_srx=1.2.3.4" names no match field'],
    ["ip,nw_src=1.2.3", '"1.2.3" is no value of ip_src'],
    ["tcp,tp_dst=70000", '"70000" does not fit the 16 bits of tcp_dst'],
    ["ip,tp_dst=80", '"tp_dst=80" names no match field'],
    ["reg0", '"reg0" is neither a protocol nor name=value'],
    ["tcp,tp_dst=1,tcp_dst=2", '"tcp,tp_dst=1,tcp_dst=2" sets tcp_dst twice'],
  ] as const)
    assert.throws(() => parseMatch(text), { code: "INVALID_FLOW_TEXT", message });
});
