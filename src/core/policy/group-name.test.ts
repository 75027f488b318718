import assert from "node:assert/strict";
import { test } from "node:test";
import { groupName } from "./group-name.ts";
import { selectPods } from "./group-selector.ts";
import { Inventory } from "./inventory.ts";

test("groups are called what the Go implementation calls them", () => {
  const inventory = new Inventory();
  const { normalizedName } = inventory.selector(
    selectPods({
      namespace: "shop",
      podSelector: {
        matchLabels: { tier: "web" },
        matchExpressions: [
          { key: "app", operator: "In", values: ["b", "a"] },
          { key: "z", operator: "DoesNotExist" },
        ],
      },
      namespaceSelector: {},
    }),
  );
  assert.equal(normalizedName, "namespaceSelector= And podSelector=app in (a,b),tier=web,!z");
  const all = inventory.selector(selectPods({ namespace: "shop", podSelector: {} }));
  assert.equal(all.normalizedName, "namespace=shop And podSelector=");
  assert.equal(all.name, "7c08c261-6958-5762-b419-3ff927750d2d");
  assert.equal(
    inventory.selector(selectPods({ namespace: "shop", podSelector: { matchLabels: { a: "b" } } })).normalizedName,
    "namespace=shop And podSelector=a=b",
  );
});

test("pods of all namespaces by their labels alone are a group of another name, as with the Go implementation", () => {
  const everywhere = new Inventory().selector(selectPods({ namespace: undefined, podSelector: { matchLabels: { app: "web" } } }));
  assert.equal(everywhere.normalizedName, "podSelector=app=web");
  assert.equal(everywhere.name, "65631cf4-5651-5504-8751-1338a6a698b3");
});

test("names of any length are hashed whole", () => {
  assert.equal(new Set([1, 300, 1_000, 2_000].map((length) => groupName("x".repeat(length)))).size, 4);
  assert.match(groupName("ü".repeat(700)), /^[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
});
