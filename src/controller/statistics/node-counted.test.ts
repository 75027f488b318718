import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { joined, type NodeCounted, nothingCounted, sumOf, withReport } from "./node-counted.ts";

const counted = (sessions: number) => ({
  total: { sessions, packets: sessions * 2, bytes: sessions * 100 },
  rules: new Map([["in", { sessions, packets: sessions * 2, bytes: sessions * 100 }]]),
});
const sessions = (of: NodeCounted): number => sumOf(of).total.sessions;

test("what two replicas know is joined to what either of them knows, of all beginnings", () => {
  const one = withReport(withReport(nothingCounted, "1-a", counted(5)), "2-b", counted(3));
  const other = withReport(withReport(nothingCounted, "2-b", counted(4)), "3-c", counted(1));
  assert.equal(sessions(joined(one, other)), 10);
  assert.equal(sessions(joined(other, one)), 10);
  const both = joined(one, other);
  assert.equal(joined(both, one), both);
  assert.deepEqual([...sumOf(joined(one, other)).rules], [["in", counted(10).total]]);
});

test("what says nothing new is the same object, so that replicas that tell each other come to rest", () => {
  const one = withReport(withReport(nothingCounted, "1-a", counted(5)), "2-b", counted(3));
  assert.equal(joined(one, one), one);
  assert.equal(joined(one, withReport(nothingCounted, "1-a", counted(2))), one);
  assert.equal(withReport(one, "1-a", counted(4)), one);
  // Of the same sums, rules may be gone here.
  const without = withReport(one, "2-b", { ...counted(3), rules: new Map() });
  assert.equal(joined(without, one), without);
});

test("in any order, with any repetition, no sum goes backwards, and all replicas end with the same", () => {
  const steps = fc.array(
    fc.record({
      epoch: fc.integer({ min: 1, max: 90 }),
      grown: fc.nat(9),
      at: fc.nat(2),
      pairs: fc.array(fc.tuple(fc.nat(2), fc.nat(2)), { maxLength: 2 }),
    }),
    { minLength: 1, maxLength: 120 },
  );
  fc.assert(
    fc.property(steps, (told) => {
      const replicas: NodeCounted[] = [nothingCounted, nothingCounted, nothingCounted];
      const true_ = new Map<number, number>();
      let epoch = 0;
      const put = (index: number, next: NodeCounted): void => {
        assert.ok(sessions(next) >= sessions(replicas[index] ?? nothingCounted));
        replicas[index] = next;
      };
      for (const step of told) {
        epoch = Math.max(epoch, step.epoch);
        true_.set(epoch, (true_.get(epoch) ?? 0) + step.grown);
        put(step.at, withReport(replicas[step.at] ?? nothingCounted, `${epoch}-x`, counted(true_.get(epoch) ?? 0)));
        for (const [to, from] of step.pairs) put(to, joined(replicas[to] ?? nothingCounted, replicas[from] ?? nothingCounted));
      }
      for (let round = 0; round < 3; round++)
        for (const to of replicas.keys()) for (const from of replicas) put(to, joined(replicas[to] ?? nothingCounted, from));
      const sums = replicas.map(sessions);
      assert.equal(new Set(sums).size, 1);
      // Never more than was counted: what two know is not counted twice.
      assert.ok((sums[0] ?? 0) <= [...true_.values()].reduce((sum, each) => sum + each, 0));
    }),
  );
});

test("a node that loses its disk each day does not grow, and loses nothing that was counted", () => {
  let known = nothingCounted;
  for (let day = 1; day <= 500; day++) known = withReport(known, `${day}-x`, counted(1));
  assert.equal(sessions(known), 500);
  assert.ok(known.epochs.size < 100);
});
