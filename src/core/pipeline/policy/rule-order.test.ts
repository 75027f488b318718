import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { createRuleOrder } from "./rule-order.ts";

interface Item {
  readonly key: number;
  priority: number;
}

const compare = (one: Item, other: Item): number => one.key - other.key;
const isInOrder = (items: readonly Item[]): boolean =>
  items.every(({ priority }, place) => place === 0 || priority < (items[place - 1]?.priority ?? 0));

test("priorities follow the order, whatever comes and goes, down to the last number", () => {
  const key = fc.oneof(fc.nat(1_000), fc.constantFrom(500, 501));
  fc.assert(
    fc.property(fc.array(fc.tuple(key, fc.boolean()), { maxLength: 200 }), (steps) => {
      const order = createRuleOrder<Item>(compare, { first: 10, last: 73 });
      const present = new Map<number, Item>();
      for (const [number, comes] of steps) {
        const known = present.get(number);
        if (known !== undefined && !comes) {
          order.remove({ key: number, priority: 0 });
          present.delete(number);
        } else if (known === undefined && comes && !order.isFull) {
          const item = { key: number, priority: 0 };
          const before = new Map([...present.values()].map((other) => [other, other.priority]));
          const moved = order.insert(item);
          present.set(number, item);
          const others = [...before].filter(([other, priority]) => other.priority !== priority).map(([other]) => other);
          assert.deepEqual(new Set(moved), new Set(others), "all that moved are told, and no others");
        }
        assert.deepEqual(
          order.items.map((item) => item.key),
          [...present.keys()].sort((a, b) => a - b),
        );
        assert.ok(isInOrder(order.items));
        assert.ok(order.items.every(({ priority }) => priority >= 10 && priority <= 73));
      }
    }),
  );
});

test("what is taken with its priorities keeps them", () => {
  const order = createRuleOrder<Item>(compare, { first: 1, last: 100 });
  const items = [1, 2, 3].map((key) => ({ key, priority: 50 - key }));
  order.fill(items, { keep: true });
  assert.deepEqual(order.insert({ key: 0, priority: 0 }), []);
  assert.deepEqual(
    items.map(({ priority }) => priority),
    [49, 48, 47],
  );
});

test("1 000 that come to one place among 10 000, one after the other, move few others", () => {
  for (const direction of [1, -1]) {
    const order = createRuleOrder<Item>(compare, { first: 1_000, last: 65_000 });
    order.fill(
      Array.from({ length: 10_000 }, (_, key) => ({ key, priority: 0 })),
      { keep: false },
    );
    const moves = Array.from({ length: 1_000 }, (_, index) => {
      const at = direction > 0 ? 5_000 + (index + 1) / 1_001 : 5_001 - (index + 1) / 1_001;
      return order.insert({ key: at, priority: 0 }).length;
    });
    assert.ok(isInOrder(order.items));
    const sorted = moves.toSorted((a, b) => a - b);
    assert.ok((sorted[989] ?? 0) < 20, `p99 ${sorted[989]}, in all ${moves.reduce((a, b) => a + b)}`);
    assert.ok(moves.reduce((a, b) => a + b) < 10_000, `in all ${moves.reduce((a, b) => a + b)}`);
  }
});
