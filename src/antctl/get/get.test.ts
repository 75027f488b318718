import assert from "node:assert/strict";
import { test } from "node:test";
import { UnsupportedValue } from "../errors.ts";
import { formatGates } from "./feature-gates.ts";
import { sortedBy } from "./sort-by.ts";

const policy = (name: string, values: Readonly<Record<string, unknown>> = {}) => ({ sourceRef: { name }, ...values });
const names = (items: readonly { readonly sourceRef?: unknown }[]): string[] =>
  items.map(({ sourceRef }) => (sourceRef as { name: string }).name);

test("items are put in the order of a field, however it is written", () => {
  const items = [policy("b", { metadata: { name: "1" } }), policy("a", { metadata: { name: "2" } })];
  for (const field of [".sourceRef.name", "sourceRef.name", "{.sourceRef.name}"])
    assert.deepEqual(names(sortedBy(items, field)), ["a", "b"]);
  assert.deepEqual(names(sortedBy(items, ".metadata.name")), ["b", "a"]);
});

test("numbers are compared as numbers, and items without the field come first", () => {
  const items = [policy("ten", { priority: 10 }), policy("nine", { priority: 9 }), policy("none")];
  assert.deepEqual(names(sortedBy(items, "priority")), ["none", "nine", "ten"]);
});

test("by effectivePriority policies stand as packets meet them: tiers, then Kubernetes policies, then the baseline", () => {
  const items = [
    policy("baseline", { tierPriority: 253, priority: 1 }),
    policy("kubernetes"),
    policy("application-5", { tierPriority: 250, priority: 5 }),
    policy("emergency", { tierPriority: 50, priority: 9 }),
    policy("application-1", { tierPriority: 250, priority: 1 }),
  ];
  assert.deepEqual(names(sortedBy(items, "effectivePriority")), ["emergency", "application-1", "application-5", "kubernetes", "baseline"]);
});

test("a field that no item has is refused; without items there is nothing to refuse", () => {
  assert.throws(() => sortedBy([policy("a")], ".metadata.nme"), UnsupportedValue);
  assert.throws(() => sortedBy([{ metadata: { name: "group" } }], "effectivePriority"), UnsupportedValue);
  assert.deepEqual(sortedBy([], "anything"), []);
});

test("gates stand in a block for each component", () => {
  const gate = (component: string, name: string) => ({ component, name, status: "Enabled", version: "BETA" });
  assert.equal(
    formatGates([gate("controller", "Egress"), gate("agent", "Traceflow"), gate("agent", "Egress")]),
    `Antrea Agent Feature Gates
FEATUREGATE   STATUS    VERSION
Egress        Enabled   BETA
Traceflow     Enabled   BETA

Antrea Controller Feature Gates
FEATUREGATE   STATUS    VERSION
Egress        Enabled   BETA
`,
  );
});
