import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Span } from "./span.ts";

// Reasons come and go by the dozen, so that spans are gone through again first and counted later.
const node = fc.nat(45).map((number) => `node-${number}`);
const flush = fc.record({ come: fc.array(node, { maxLength: 40, size: "max" }), go: fc.array(fc.nat(), { maxLength: 40, size: "max" }) });

test("a span knows its nodes and how they differ from the last flush, counted or not", () => {
  fc.assert(
    fc.property(fc.array(node, { maxLength: 40, size: "max" }), fc.array(flush, { maxLength: 6 }), (first, flushes) => {
      const reasons = [...first];
      const span = Span.of([...new Set(first)]);
      assert.deepEqual(new Set(span.changes().gained), new Set(first));
      span.settle();
      for (const { come, go } of flushes) {
        const before = new Set(reasons);
        const gone = go.flatMap((index) => (reasons.length === 0 ? [] : reasons.splice(index % reasons.length, 1)));
        reasons.push(...come);
        if (span.counted) {
          for (const each of come) span.gain(each);
          for (const each of gone) span.lose(each);
        } else
          span.recount((reason) => {
            for (const each of reasons) reason(each);
          });
        const now = new Set(reasons);
        assert.deepEqual(new Set(span.nodes()), now);
        assert.equal(span.size, now.size);
        assert.deepEqual(new Set(span.changes().gained), now.difference(before));
        assert.deepEqual(new Set(span.changes().lost), before.difference(now));
        assert.deepEqual(new Set(span.formerNodes()), before);
        for (const each of now.union(before)) assert.deepEqual([span.has(each), span.had(each)], [now.has(each), before.has(each)]);
        span.settle();
        assert.equal(span.touched, false);
      }
    }),
  );
});

test("a span that was never counted has one reason for each of its nodes", () => {
  const span = Span.of(["n1", "n2"]);
  span.settle();
  span.gain("n3");
  span.lose("n1");
  assert.deepEqual([span.changes(), [...span.nodes()].sort()], [{ gained: ["n3"], lost: ["n1"] }, ["n2", "n3"]]);
});
