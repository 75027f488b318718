import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Json, JsonSchema } from "../openapi/schema.ts";
import { newBudget, stepsPerWrite } from "./cost.ts";
import { ruleCompiler, type ValidationRule } from "./rule.ts";

const schema: JsonSchema = {
  type: "object",
  properties: {
    list: { type: "array", items: { type: "string" } },
    number: { type: "integer" },
    ratio: { type: "number" },
    memory: { type: "string" },
    labels: { type: "object", additionalProperties: { type: "string" } },
    port: { "x-kubernetes-int-or-string": true },
    since: { type: "string", format: "date-time" },
    every: { type: "string", format: "duration" },
    inner: { type: "object", properties: { deep: { type: "boolean" }, "a-b": { type: "string" }, namespace: { type: "string" } } },
    items: { type: "array", items: { type: "object", properties: { name: { type: "string" }, value: { type: "integer" } } } },
  },
};

const value = {
  list: ["10.0.0.0/8", "fd00::/8"],
  number: 5,
  ratio: 2,
  memory: "100Mi",
  labels: { app: "web" },
  port: 80,
  since: "2024-02-03T04:05:06Z",
  every: "90s",
  inner: { deep: true, "a-b": "dash", namespace: "shop" },
  items: [
    { name: "a", value: 1 },
    { name: "b", value: 2 },
  ],
};

const compiler = ruleCompiler(schema, "self");

/** What the rule says of `value`; "ok" when it holds. */
function judge(
  rule: string,
  options: { readonly old?: Json; readonly value?: Json; readonly more?: Partial<ValidationRule> } = {},
): string {
  const compiled = compiler.compile({ rule, ...options.more });
  if (!("judge" in compiled)) return compiled.message;
  return compiled.judge(options.value ?? value, options.old, newBudget()) ?? "ok";
}

test("expressions see values by their schema", () => {
  const rules = [
    "self.number == 5 && self.number / 2 == 2",
    "self.ratio / 4.0 == 0.5",
    "self.labels.app == 'web' && self.labels.all(key, self.labels[key] == 'web')",
    "self.port == 80 && type(self.port) == int",
    "self.since < timestamp('2025-01-01T00:00:00Z') && self.since.getFullYear() == 2024",
    "self.every > duration('1m')",
    "self.inner.a__dash__b == 'dash' && self.inner.__namespace__ == 'shop'",
    "self.?inner.?deep.orValue(false) && !has(self.inner.nothing)",
    "self.items.exists_one(item, item.value == 2) && self.items.map(item, item.name) == ['a', 'b']",
    "self.items[0] == self.items[0] && self.items[0] != self.items[1]",
    "self.items.filter(item, item.value > 1).size() == 1",
    "cel.bind(first, self.items[0], first.name == 'a')",
  ];
  for (const rule of rules) assert.equal(judge(rule), "ok", rule);
});

test("the libraries of Kubernetes: addresses, quantities, expressions, lists, sets, URLs", () => {
  const rules = [
    "self.list.all(one, isCIDR(one)) && !isCIDR('10.0.0.1') && !isCIDR('::ffff:10.0.0.0/100')",
    "cidr(self.list[0]).containsIP('10.1.2.3') && !cidr(self.list[0]).containsIP(ip('fd00::1'))",
    "cidr('10.0.0.0/8').containsCIDR('10.4.0.0/14') && cidr('10.1.2.3/8').prefixLength() == 8",
    "string(cidr('10.1.2.3/8').masked()) == '10.0.0.0/8' && string(cidr('10.1.2.3/8').ip()) == '10.1.2.3'",
    "ip('192.168.0.1').family() == 4 && ip('::1').isLoopback() && ip('fe80::1').isLinkLocalUnicast() && ip('ff02::1').isLinkLocalMulticast()",
    "ip('8.8.8.8').isGlobalUnicast() && !ip('255.255.255.255').isGlobalUnicast() && ip('0.0.0.0').isUnspecified()",
    "ip.isCanonical('fd00::1') && !ip.isCanonical('FD00::1') && isIP('1.2.3.4') && !isIP('1.2.3.04') && !isIP('fe80::1%eth0')",
    "ip('fd00::1') == ip('fd00:0::1')",
    "quantity(self.memory).isGreaterThan(quantity('99Mi')) && quantity('1500m').compareTo(quantity('1.5')) == 0",
    "quantity('1Ki').asInteger() == 1024 && quantity('0.5').asApproximateFloat() == 0.5 && quantity('-2').sign() == -1",
    "quantity('1Gi').add(quantity('1Gi')) == quantity('2Gi') && quantity('5').sub(2) == quantity('3') && !isQuantity('5 MB')",
    "'web-01'.matches('^[a-z]+-\\\\d+$') && 'abc 123'.find('[0-9]+') == '123' && '1 22 3'.findAll('[0-9]+', 2) == ['1', '22']",
    "[1, 2, 3].sum() == 6 && ['b', 'a'].min() == 'a' && [3, 1].max() == 3 && [1, 2].isSorted() && ['x', 'y'].indexOf('y') == 1",
    "sets.contains([1, 2, 3], [3, 1]) && sets.intersects(['a'], ['b', 'a']) && sets.equivalent([1, 2], [2, 1, 1])",
    "isURL('https://example.org:8443/a') && url('https://example.org:8443/a b').getPort() == '8443' && url('http://[::1]/').getHostname() == '::1'",
    "'a,b'.split(',').join('-') == 'a-b' && 'abc'.charAt(1) == 'b' && 'aXa'.replace('a', 'b') == 'bXb' && 'aXa'.replace('a', 'b', 1) == 'bXa'",
  ];
  for (const rule of rules) assert.equal(judge(rule), "ok", rule);
});

test("macros of two variables, and of optional values", () => {
  const rules = [
    "self.items.all(i, item, item.value == i + 1) && !self.items.all(i, item, i == 0)",
    "self.labels.exists(key, one, key == 'app' && one == 'web') && !self.labels.exists(key, one, key == 'web')",
    "self.list.existsOne(i, one, one.startsWith('fd') && i == 1) && ![1, 1].existsOne(i, one, one == 1)",
    "self.items.transformList(i, item, item.name + string(i)) == ['a0', 'b1']",
    "self.items.transformList(i, item, i > 0, item.name) == ['b'] && [].transformList(i, one, one) == []",
    "self.labels.transformMap(key, one, one + key) == {'app': 'webapp'} && [5, 6].transformMap(i, one, i > 0, one) == {1: 6}",
    "self.items.exists(i, item, item.name == 'b' || self.list[9] == '') && !self.items.all(i, item, item.name == 'a' && self.list[i] != '')",
    "!self.items.all(i, item, i == 0 ? self.list[9] == '' : false)",
    "self.items.all(i, item, self.items.exists(k, other, other.value == item.value && k == i))",
    "self.?inner.?deep.optMap(deep, !deep).orValue(true) == false && self.?inner.?none.optMap(x, x).hasValue() == false",
    "self.?labels['nope'].optMap(x, x + 'y').orValue('none') == 'none' && self.?memory.optMap(m, m + 'i').value() == '100Mii'",
    "optional.of(3).optFlatMap(x, x > 2 ? optional.of(x * 2) : optional.none()).value() == 6",
  ];
  for (const rule of rules) assert.equal(judge(rule), "ok", rule);
  for (const rule of [
    "self.list.all(i, one, i)",
    "self.number.all(i, one, true)",
    "self.list.exists(1, one, true)",
    "self.number.optMap(x, x) == 1",
  ])
    assert.match(judge(rule), /compilation failed/, rule);
});

test("a rule that fails says its message, that of its expression, or itself; one that cannot be evaluated fails", () => {
  assert.equal(judge("self.number > 6"), "failed rule: self.number > 6");
  assert.equal(judge("self.number > 6", { more: { message: "too small" } }), "too small");
  assert.equal(
    judge("self.number > 6", { more: { message: "too small", messageExpression: "string(self.number) + ' is not above 6'" } }),
    "5 is not above 6",
  );
  assert.equal(judge("self.number > 6", { more: { message: "too small", messageExpression: "self.list[9]" } }), "too small");
  assert.match(judge("ip(self.memory).family() == 4"), /evaluation: IP Address "100Mi" parse error/);
  assert.match(judge("self.list[9] == ''"), /index out of bounds/);
});

test("old values: absent for new objects, present for changes, optional where the rule asks for it", () => {
  assert.equal(judge("self.number >= oldSelf.number", { old: { ...value, number: 6 } }), "failed rule: self.number >= oldSelf.number");
  const optional = { more: { optionalOldSelf: true } };
  assert.equal(judge("!oldSelf.hasValue() || oldSelf.value().number <= self.number", optional), "ok");
  assert.notEqual(
    judge("!oldSelf.hasValue() || oldSelf.value().number <= self.number", { ...optional, old: { ...value, number: 9 } }),
    "ok",
  );
  const compiled = compiler.compile({ rule: "self.memory != 'oldSelf'" });
  assert.equal("judge" in compiled && compiled.transition, false);
});

test("what cannot be right is refused before any object is judged", () => {
  for (const rule of [
    "self.nope",
    "self.number",
    "self.number.startsWith('a')",
    "self.list + 1 == 2",
    "(",
    "nothing(self)",
    "self.list.all(self.number)",
  ])
    assert.match(judge(rule), /compilation failed|must evaluate to a bool/, rule);
});

test("the time of a write is bounded, however its rules are nested and whatever they build", () => {
  const large = { ...value, list: Array.from({ length: 300 }, () => "x".repeat(500)) };
  const rules = [
    "self.list.all(a, self.list.all(b, self.list.all(c, a == b && b == c)))",
    "cel.bind(l, self.list.map(x, x), l.all(a, l.all(b, l.all(c, true))))",
    "self.list.map(a, self.list.map(b, self.list.map(c, a + b + c))).size() > 0",
    "self.list.exists(a, self.list.exists(b, self.list.exists(c, a + b == c)))",
    "self.list.all(i, a, self.list.all(j, b, self.list.all(k, c, i + j + k >= 0)))",
    "self.list.transformList(i, a, self.list.transformList(j, b, self.list.map(c, a + b + c))).size() > 0",
  ];
  for (const rule of rules) {
    const compiled = compiler.compile({ rule });
    assert.ok("judge" in compiled, rule);
    const budget = newBudget();
    assert.match(compiled.judge(large, undefined, budget) ?? "", /takes too many steps/, rule);
    assert.ok(budget.left <= 0 && budget.left > -stepsPerWrite, rule);
  }
});

test("a pattern that a backtracking engine would never finish is answered", () => {
  assert.equal(judge("!self.memory.matches('^(a+)+$')", { value: { memory: `${"a".repeat(50_000)}b` } }), "ok");
});

test("text that is no expression is told, never thrown", () => {
  const pieces = fc.constantFrom(
    "self",
    ".",
    "list",
    "all",
    "optMap",
    "transformMap",
    "(",
    ")",
    "x",
    ",",
    "==",
    "1",
    "'a'",
    "&&",
    "!",
    "[",
    "]",
    "?",
    ":",
    "{",
    "}",
    "has",
    "in",
    '"',
    "\\",
    "ip",
  );
  fc.assert(
    fc.property(fc.array(pieces, { maxLength: 20 }), (words) => {
      const compiled = compiler.compile({ rule: words.join(" ") });
      if ("judge" in compiled) compiled.judge(value, value, newBudget());
    }),
    { numRuns: 2_000 },
  );
});

test("named formats tell what is wrong with a text, or nothing", () => {
  const rules = [
    "!format.dns1123Label().validate('shop').hasValue() && format.dns1123Label().validate('Shop').hasValue()",
    "!format.dns1123Subdomain().validate('a.b').hasValue() && format.dns1123Label().validate('a.b').hasValue()",
    "format.dns1035Label().validate('1a').hasValue() && !format.qualifiedName().validate('a.b/c').hasValue()",
    "!format.dns1123LabelPrefix().validate('web-').hasValue() && format.dns1123Label().validate('web-').hasValue()",
    "!format.labelValue().validate('').hasValue() && format.uri().validate('nowhere').hasValue()",
    "format.named('uuid').value().validate('x').value() == ['does not match the UUID format']",
    "!format.named('uuid').value().validate('123e4567-e89b-12d3-a456-426614174000').hasValue()",
    "!format.named('nothing').hasValue() && !format.named('constructor').hasValue() && format.named('date').hasValue()",
    "format.byte().validate('!').value().size() == 1 && !format.datetime().validate('2021-01-01T00:00:00Z').hasValue()",
    "self.list.all(format, format != '')",
  ];
  for (const rule of rules) assert.equal(judge(rule), "ok", rule);
  assert.equal(
    judge("!format.date().validate(self.memory).hasValue()", {
      more: { messageExpression: "format.date().validate(self.memory).value().join(', ')" },
    }),
    "invalid date",
  );
  assert.match(judge("format.nothing().validate('x').hasValue()"), /^compilation failed: /);
});

test("semantic versions compare as their specification orders them, and shorter ones are completed when asked", () => {
  const order = [
    "1.0.0-alpha",
    "1.0.0-alpha.1",
    "1.0.0-alpha.beta",
    "1.0.0-beta",
    "1.0.0-beta.2",
    "1.0.0-beta.11",
    "1.0.0-rc.1",
    "1.0.0",
    "2.1.0",
  ];
  for (const [index, later] of order.entries())
    for (const earlier of order.slice(0, index)) {
      const both = `semver('${earlier}').isLessThan(semver('${later}')) && semver('${later}').isGreaterThan(semver('${earlier}'))`;
      assert.equal(judge(both), "ok", both);
    }
  const rules = [
    "semver('1.2.3').major() == 1 && semver('1.2.3').minor() == 2 && semver('1.2.3').patch() == 3",
    "semver('1.2.3').compareTo(semver('1.2.4')) == -1 && semver('1.2.3+a') == semver('1.2.3+b')",
    "isSemver('1.0.0-rc.1+b.7') && !isSemver('1.0') && !isSemver('v1.0.0') && !isSemver('01.0.0') && !isSemver('1.0.0-01')",
    "isSemver('v01.1', true) && semver('v1.0', true) == semver('1.0.0') && !isSemver('v1.x', true)",
  ];
  for (const rule of rules) assert.equal(judge(rule), "ok", rule);
  assert.match(judge("semver(self.memory).major() == 1"), /"100Mi" is no semantic version/);
});

test("transformMapEntry makes entries of entries, no key twice", () => {
  const rules = [
    "self.labels.transformMapEntry(key, one, {one: key}) == {'web': 'app'}",
    "['a', 'b'].transformMapEntry(i, one, i > 0, {one: i}) == {'b': 1}",
    "{'a': 1, 'b': 2}.all(key, one, one > 0) && {'a': 1}.transformList(key, one, key) == ['a']",
  ];
  for (const rule of rules) assert.equal(judge(rule), "ok", rule);
  assert.match(judge("['a', 'a'].transformMapEntry(i, one, {one: i}).size() == 1"), /key "a" already exists/);
  assert.match(judge("['a'].transformMapEntry(i, one, one).size() == 1"), /needs a map/);
});
