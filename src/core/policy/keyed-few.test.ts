import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { KeyedFew } from "./keyed-few.ts";

test("items are found by their key, also when there are more than a list holds", () => {
  const step = fc.record({ add: fc.boolean(), key: fc.nat(12) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60, size: "max" }), (steps) => {
      const few = new KeyedFew<number, { readonly key: number }>(({ key }) => key);
      const known = new Map<number, { readonly key: number }>();
      for (const { add, key } of steps) {
        const item = known.get(key);
        if (add && item === undefined) {
          known.set(key, { key });
          few.add(known.get(key) ?? { key });
        } else if (!add && item !== undefined) {
          known.delete(key);
          few.delete(item);
        }
        assert.equal(few.get(key), known.get(key));
        assert.equal(few.size, known.size);
      }
      assert.deepEqual(new Set(few), new Set(known.values()));
    }),
  );
});
