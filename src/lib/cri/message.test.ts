import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { MalformedMessage } from "./errors.ts";
import { bool, bytes, enumeration, int32, int64, list, message, nested, repeated, string, stringMap } from "./message.ts";
import * as cri from "./messages.ts";

const Inner = message("Inner", { id: string(1), count: int32(2) });
const Outer = message("Outer", {
  name: string(1),
  flag: bool(2),
  big: int64(3),
  inner: nested(4, Inner),
  many: repeated(5, Inner),
  words: list(string(6)),
  numbers: list(int64(7)),
  labels: stringMap(8),
  state: enumeration(16, ["READY", "NOT_READY"]),
  raw: bytes(17),
});

test("encodes as published: field numbers, wire types, defaults left out", () => {
  const hex = (value: Parameters<typeof Outer.encode>[0]) => Buffer.from(Outer.encode(value)).toString("hex");
  assert.equal(hex({}), "");
  assert.equal(hex({ name: "", flag: false, big: 0n, state: "READY" }), "");
  assert.equal(hex({ name: "ab", flag: true }), "0a0261621001");
  assert.equal(hex({ big: -1n }), "18ffffffffffffffffff01");
  assert.equal(hex({ inner: {} }), "2200");
  assert.equal(hex({ numbers: [1n, 300n] }), "3a0301ac02");
  assert.equal(hex({ labels: { a: "b" } }), "42060a0161120162");
  assert.equal(hex({ state: "NOT_READY" }), "800101");
});

test("reads packed and unpacked numbers, skips unknown fields, keeps the last of a repeated single field", () => {
  const decode = (hex: string) => Outer.decode(Buffer.from(hex, "hex"));
  assert.deepEqual(decode("3a0301ac02").numbers, [1n, 300n]);
  assert.deepEqual(decode("380138ac02").numbers, [1n, 300n]);
  assert.equal(decode("0a0161f2070378797a0a0162").name, "b");
  assert.equal(decode("800107").state, "UNRECOGNIZED_7");
  assert.equal(decode("").inner, undefined);
});

test("every message survives a round trip", () => {
  const word = fc.string();
  const int = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });
  const big = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
  const inner = fc.record({ id: word, count: int }, { noNullPrototype: true });
  const outer = fc.record(
    {
      name: word,
      flag: fc.boolean(),
      big,
      inner,
      many: fc.array(inner),
      words: fc.array(word),
      numbers: fc.array(big),
      labels: fc.dictionary(word, word, { noNullPrototype: true }),
      state: fc.constantFrom("READY" as const, "NOT_READY" as const),
      raw: fc.uint8Array(),
    },
    { noNullPrototype: true },
  );
  fc.assert(fc.property(outer, (value) => assert.deepEqual(Outer.decode(Outer.encode(value)), value)));
});

test("arbitrary bytes decode or fail as a MalformedMessage, nothing else", () => {
  const types = Object.values(cri).filter((value) => typeof value === "object" && "decode" in value);
  assert.ok(types.length > 50);
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat(types.length - 1), (bytes, index) => {
      try {
        types[index]?.decode(bytes);
      } catch (error) {
        assert.ok(error instanceof MalformedMessage, String(error));
      }
    }),
    { numRuns: 3_000 },
  );
});
