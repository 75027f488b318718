import assert from "node:assert/strict";
import { test } from "node:test";
import { sharedParse } from "./shared-parse.ts";

test("what two clients are told word for word is one object that neither can change", () => {
  const parse = sharedParse();
  const text = '{"items":[{"name":"one"}]}';
  const value = parse(text) as { items: { name: string }[] };
  assert.equal(parse(text), value);
  assert.throws(() => value.items.push({ name: "two" }), TypeError);
  assert.throws(() => Object.assign(value.items[0] ?? {}, { name: "other" }), TypeError);
  assert.notEqual(parse('{"items":[]}'), value);
  assert.throws(() => parse("{"), SyntaxError);
});
