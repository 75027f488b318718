import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Few } from "./few.ts";

test("a small set is a set, also when it grows and shrinks past the size of a list", () => {
  const step = fc.record({ add: fc.boolean(), item: fc.nat(15) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60, size: "max" }), (steps) => {
      const few = new Few<number>();
      const set = new Set<number>();
      for (const { add, item } of steps) {
        if (add) {
          few.add(item);
          set.add(item);
        } else assert.equal(few.delete(item), set.delete(item));
        assert.equal(few.size, set.size);
        assert.equal(few.has(item), set.has(item));
      }
      assert.deepEqual(new Set(few), set);
    }),
  );
});
