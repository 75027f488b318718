import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Tally } from "./tally.ts";

test("reasons are counted by item, with one item and with several", () => {
  const step = fc.record({ add: fc.boolean(), item: fc.nat(3) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40, size: "max" }), (steps) => {
      const tally = new Tally<number>();
      const counts = [0, 0, 0, 0];
      for (const { add, item } of steps) {
        const before = counts[item] ?? 0;
        counts[item] = Math.max(0, before + (add ? 1 : -1));
        assert.equal(add ? tally.add(item) : tally.delete(item), add ? before === 0 : before === 1);
        const there = counts.flatMap((count, index) => (count > 0 ? [index] : []));
        assert.deepEqual([...tally].sort(), there);
        assert.equal(tally.size, there.length);
        assert.equal(tally.has(item), there.includes(item));
      }
    }),
  );
});
