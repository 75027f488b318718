import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { createJsonStream, largestMessageBytes } from "./json-stream.ts";
import { decodeValue, defaultValue, encodeValue, sameValue } from "./notation.ts";
import { createReplica } from "./replica.ts";
import { schemaMismatch } from "./schema.ts";
import { decodeResults } from "./transaction.ts";
import { type Column, map, namedUuid, one, openVSwitch, optional, OvsdbProtocolError, set, TransactionFailed } from "./index.ts";

const id = (digit: number): string => `${String(digit).repeat(8)}-0000-4000-8000-000000000000`;
const same = (name: string): string => name;

test("values in the notation of RFC 7047 §5.1", () => {
  const vectors: readonly (readonly [Column, unknown, unknown])[] = [
    [one("integer"), 5, 5],
    [one("string"), "br-int", "br-int"],
    [one("uuid"), ["uuid", id(1)], id(1)],
    [optional("integer"), ["set", []], undefined],
    [set("string"), ["set", ["a", "b"]], ["a", "b"]],
    [set("uuid"), ["set", [["uuid", id(1)]]], [id(1)]],
    [map("string", "string"), ["map", [["k", "v"]]], new Map([["k", "v"]])],
    [map("integer", "uuid"), ["map", [[3, ["uuid", id(2)]]]], new Map([[3, id(2)]])],
  ];
  for (const [column, wire, value] of vectors) {
    assert.deepEqual(decodeValue(column, wire), { value });
    assert.deepEqual(encodeValue(column, value, same), wire);
  }
  assert.deepEqual(decodeValue(set("string"), "alone"), { value: ["alone"] });
  assert.deepEqual(
    encodeValue(set("uuid"), [namedUuid("row")], (name) => `c1_${name}`),
    ["set", [["named-uuid", "c1_row"]]],
  );
  assert.deepEqual(encodeValue(map("string", "string"), { k: "v" }, same), ["map", [["k", "v"]]]);
});

test("a value of the wrong type is named, not thrown", () => {
  assert.deepEqual(decodeValue(one("integer"), "5"), { failure: 'expected an integer, got "5"' });
  assert.deepEqual(decodeValue(one("string"), ["set", ["a", "b"]]), { failure: 'expected one string, got ["set",["a","b"]]' });
  assert.deepEqual(decodeValue(one("uuid"), ["uuid", "no"]), { failure: 'expected ["uuid", …], got ["uuid","no"]' });
});

const columns = fc.constantFrom<Column>(
  one("integer"),
  optional("string"),
  set("uuid"),
  set("integer"),
  map("string", "string"),
  map("integer", "uuid"),
);

test("arbitrary JSON never throws past a decoder", () => {
  const { feed } = createReplica(openVSwitch, { Bridge: ["name", "ports", "external_ids", "fail_mode"] });
  const rowUpdate = fc.record({ initial: fc.jsonValue(), modify: fc.jsonValue(), delete: fc.constant(null) }, { requiredKeys: [] });
  const updates = fc.oneof(
    fc.jsonValue(),
    fc.record({ Bridge: fc.dictionary(fc.constantFrom(id(1), id(2)), fc.oneof(rowUpdate, fc.jsonValue())) }),
  );
  fc.assert(
    fc.property(columns, fc.jsonValue(), updates, (column, wire, update) => {
      decodeValue(column, wire);
      schemaMismatch(openVSwitch, wire);
      for (const form of ["update", "update2"] as const) {
        assert.match(String(feed.reset(form, update) ?? "applied"), /./);
        assert.match(String(feed.apply(form, update) ?? "applied"), /./);
      }
      try {
        decodeResults(
          openVSwitch,
          [
            { op: "comment", comment: "" },
            { op: "select", table: "Bridge", where: [] },
          ],
          wire,
        );
      } catch (error) {
        assert.ok(error instanceof OvsdbProtocolError || error instanceof TransactionFailed);
      }
    }),
    { numRuns: 500 },
  );
});

const strings = fc.uniqueArray(fc.string({ maxLength: 3 }), { maxLength: 6 });

test("differences of update2 lead from any value to any other", () => {
  const pairs = fc.dictionary(fc.string({ maxLength: 2 }), fc.string({ maxLength: 1 }), { noNullPrototype: true });
  fc.assert(
    fc.property(strings, strings, pairs, pairs, (datapaths, laterDatapaths, ids, laterIds) => {
      const { replica, feed } = createReplica(openVSwitch, { Open_vSwitch: ["datapath_types", "external_ids"] });
      const row = { datapath_types: ["set", datapaths], external_ids: ["map", Object.entries(ids)] };
      assert.equal(feed.reset("update2", { Open_vSwitch: { [id(1)]: { initial: row } } }), undefined);
      const members = [...new Set(datapaths).symmetricDifference(new Set(laterDatapaths))];
      const changed = [
        ...Object.entries(ids).filter(([key]) => !Object.hasOwn(laterIds, key)),
        ...Object.entries(laterIds).filter(([key, value]) => !(Object.hasOwn(ids, key) && ids[key] === value)),
      ];
      const modify = { datapath_types: ["set", members], external_ids: ["map", changed] };
      assert.equal(feed.apply("update2", { Open_vSwitch: { [id(1)]: { modify } } }), undefined);
      const after = replica.tables.Open_vSwitch.get(id(1));
      assert.ok(sameValue(set("string"), after?.datapath_types, laterDatapaths));
      assert.ok(sameValue(map("string", "string"), after?.external_ids, new Map(Object.entries(laterIds))));
    }),
  );
});

test("updates in full rows (RFC 7047 §4.1.6) and in differences give the same replica", () => {
  const selection = { Bridge: ["name", "ports"] } as const;
  const [old, current] = [createReplica(openVSwitch, selection), createReplica(openVSwitch, selection)];
  const row = { name: "br0", ports: ["set", [["uuid", id(3)]]] };
  assert.equal(
    old.feed.reset("update", { Bridge: { [id(1)]: { new: row }, [id(2)]: { new: { name: "br1", ports: ["set", []] } } } }),
    undefined,
  );
  assert.equal(current.feed.reset("update2", { Bridge: { [id(1)]: { initial: row }, [id(2)]: { initial: { name: "br1" } } } }), undefined);
  assert.deepEqual([...old.replica.tables.Bridge.rows()], [...current.replica.tables.Bridge.rows()]);
  assert.equal(old.feed.apply("update", { Bridge: { [id(2)]: { old: {} } } }), undefined);
  assert.equal(current.feed.apply("update2", { Bridge: { [id(2)]: { delete: null } } }), undefined);
  assert.deepEqual([...old.replica.tables.Bridge.rows()], [...current.replica.tables.Bridge.rows()]);
  assert.deepEqual(defaultValue(set("uuid")), []);
});

test("a refused update changes nothing", () => {
  const { replica, feed } = createReplica(openVSwitch, { Bridge: ["name"] });
  feed.reset("update2", { Bridge: { [id(1)]: { initial: { name: "br0" } } } });
  const failure = feed.apply("update2", { Bridge: { [id(2)]: { insert: { name: "br1" } }, [id(3)]: { modify: { name: "x" } } } });
  assert.equal(failure, `Bridge ${id(3)}: modified without having been there`);
  assert.deepEqual([...replica.tables.Bridge.rows()], [{ uuid: id(1), name: "br0" }]);
});

test("a stream of JSON objects is the same however it is cut", () => {
  fc.assert(
    fc.property(
      fc.array(fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 3 })), { maxLength: 5 }),
      fc.infiniteStream(fc.integer({ min: 1, max: 40 })),
      (values, cuts) => {
        const expected = values.map((value) => JSON.parse(JSON.stringify(value)) as unknown);
        const bytes = Buffer.from(expected.map((value) => JSON.stringify(value)).join(" \n"));
        const stream = createJsonStream({ where: "test" });
        const seen: unknown[] = [];
        for (let start = 0; start < bytes.length; ) {
          const end = start + (cuts.next().value ?? 1);
          seen.push(...stream.push(bytes.subarray(start, end)));
          start = end;
        }
        assert.deepEqual(seen, expected);
      },
    ),
  );
});

test("arbitrary bytes end a stream with an error of ours or wait for more", () => {
  const noise = fc.oneof(
    fc.uint8Array({ maxLength: 200 }),
    fc.string({ unit: fc.constantFrom(...'{}[]",:\\ 1a'), maxLength: 80 }).map((text) => Buffer.from(text)),
  );
  fc.assert(
    fc.property(fc.array(noise), (chunks) => {
      const stream = createJsonStream({ where: "test" });
      try {
        for (const chunk of chunks) stream.push(chunk);
      } catch (error) {
        assert.ok(error instanceof OvsdbProtocolError, String(error));
      }
    }),
  );
});

test("a message without end is refused at the bound", () => {
  const stream = createJsonStream({ where: "test", limitBytes: 1_000 });
  assert.throws(() => {
    stream.push(Buffer.from('{"a":"'));
    for (let sent = 0; sent < 2_000; sent += 100) stream.push(Buffer.alloc(100, "x"));
  }, /more than 1000 bytes/);
  assert.throws(() => createJsonStream({ where: "test" }).push(Buffer.from(`{"a":${"[".repeat(100)}`)), /nested deeper/);
  assert.equal(largestMessageBytes, 33_554_432);
});
