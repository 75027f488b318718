import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { internetChecksum } from "./checksum.ts";
import { OutOfBytes } from "./errors.ts";
import { Reader } from "./reader.ts";
import { Writer } from "./writer.ts";

test("what a writer wrote a reader reads", () => {
  const writer = new Writer(2).uint8(1).uint16(2).uint32(3).uint64(4n).uint(5n, 16).bytes(Uint8Array.of(6, 7)).align(8);
  writer.patchUint16(1, 9);
  const reader = new Reader(writer.result());
  assert.deepEqual(
    [reader.uint8(), reader.uint16(), reader.uint32(), reader.uint64(), reader.uint(16), [...reader.bytes(2)]],
    [1, 9, 3, 4n, 5n, [6, 7]],
  );
  assert.equal(writer.length % 8, 0);
  assert.ok(reader.rest().every((byte) => byte === 0));
});

test("a read past the end throws OutOfBytes and nothing else", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 8 }), fc.nat(20), (bytes, length) => {
      const reader = new Reader(bytes);
      if (length <= bytes.length) assert.equal(reader.bytes(length).length, length);
      else assert.throws(() => reader.bytes(length), OutOfBytes);
    }),
  );
});

test("an inner reader ends where it was told to", () => {
  const outer = new Reader(Uint8Array.of(1, 2, 3));
  const inner = outer.inner(2);
  assert.deepEqual([...inner.rest()], [1, 2]);
  assert.throws(() => inner.uint8(), OutOfBytes);
  assert.equal(outer.uint8(), 3);
});

test("the checksum of RFC 1071's example", () => {
  assert.equal(internetChecksum(Uint8Array.of(0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7)), ~0xddf2 & 0xffff);
});
