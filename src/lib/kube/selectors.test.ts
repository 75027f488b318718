import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { InvalidSelector } from "./errors.ts";
import {
  formatRequirements,
  matchesRequirements,
  parseFieldSelector,
  parseLabelSelector,
  requirementsOf,
  selectorMatches,
} from "./selectors.ts";

test("text selectors select as Kubernetes says", () => {
  const rows: [selector: string, labels: Record<string, string>, selected: boolean][] = [
    ["app=web", { app: "web" }, true],
    ["app==web", { app: "db" }, false],
    ["app!=web", {}, true],
    ["app in (web,api)", { app: "api" }, true],
    ["app notin (web)", {}, true],
    ["app", { app: "" }, true],
    ["!app", { app: "" }, false],
    ["app=web,tier in (a,b),!old", { app: "web", tier: "b" }, true],
    ["size>5", { size: "6" }, true],
    ["size<5", { size: "x" }, false],
    ["", { any: "thing" }, true],
    ["example.com/name=x", { "example.com/name": "x" }, true],
  ];
  for (const [selector, labels, selected] of rows)
    assert.equal(matchesRequirements(parseLabelSelector(selector), labels), selected, selector);
});

test("an empty selector matches everything, an absent one nothing", () => {
  assert.equal(selectorMatches({}, undefined), true);
  assert.equal(selectorMatches(undefined, { a: "b" }), false);
});

test("NotIn and DoesNotExist match objects that lack the key", () => {
  assert.equal(selectorMatches({ matchExpressions: [{ key: "a", operator: "NotIn", values: ["b"] }] }, {}), true);
  assert.equal(selectorMatches({ matchExpressions: [{ key: "a", operator: "DoesNotExist" }] }, {}), true);
});

test("an operator nobody knows is refused by name", () => {
  assert.throws(() => requirementsOf({ matchExpressions: [{ key: "a", operator: "Near", values: ["b"] }] }), /"Near" is none of/);
});

test("any text either parses or fails as InvalidSelector, and prints back to what selects the same", () => {
  fc.assert(
    fc.property(fc.string(), fc.dictionary(fc.string({ maxLength: 4 }), fc.string({ maxLength: 4 })), (text, labels) => {
      try {
        const requirements = parseLabelSelector(text);
        assert.equal(
          matchesRequirements(parseLabelSelector(formatRequirements(requirements)), labels),
          matchesRequirements(requirements, labels),
        );
      } catch (error) {
        assert.ok(error instanceof InvalidSelector);
      }
    }),
  );
});

test("field selectors keep what stands behind the first sign", () => {
  assert.deepEqual(parseFieldSelector("metadata.name=a,status.phase!=Failed"), [
    { path: "metadata.name", equal: true, value: "a" },
    { path: "status.phase", equal: false, value: "Failed" },
  ]);
  assert.throws(() => parseFieldSelector("nonsense"), InvalidSelector);
});
