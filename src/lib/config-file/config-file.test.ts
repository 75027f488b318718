import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { seconds } from "#lib/runtime/index.ts";
import { blocks, duration, flag, flags, InvalidConfig, integer, oneOf, parseConfig, printDefaults, text, texts } from "./index.ts";

const keys = {
  bridge: text({ default: "br-int", doc: "Name of the bridge." }),
  mode: oneOf({ values: ["encap", "noEncap"], available: ["encap"], default: "encap", doc: "How packets travel." }),
  port: integer({ min: 0, max: 65535, default: 0, doc: "Port." }),
  gates: flags({ default: {}, doc: "Gates." }),
  "proxy.enable": flag({ default: true, notYet: true, doc: "Proxy." }),
  "proxy.names": texts({ default: [], doc: "Names." }),
  "exporter.interval": duration({ default: seconds(5), min: seconds(1), doc: "Interval." }),
  cidrs: blocks({ default: [], doc: "Blocks." }),
};
const parse = (content: string) => parseConfig(content, { file: "agent.conf", keys });

test("values, defaults and notices", () => {
  const { values, notices } = parse(`
mode: ENCAP
port: 6081
proxy: { enable: false, later: 1 }
exporter: { interval: 1m30s }
cidrs: 10.0.0.0/8,fd00::/64
new: { thing: true }
`);
  assert.deepEqual(values, {
    bridge: "br-int",
    mode: "encap",
    port: 6081,
    gates: {},
    "proxy.enable": false,
    "proxy.names": [],
    "exporter.interval": seconds(90),
    cidrs: ["10.0.0.0/8", "fd00::/64"],
  });
  assert.deepEqual(notices, [
    "agent.conf: proxy.enable has no effect yet",
    "agent.conf: proxy.later is not a key of this version and is ignored",
    "agent.conf: new is not a key of this version and is ignored",
  ]);
  assert.equal(parse("").values.bridge, "br-int");
  assert.equal(parse("bridge:\nport:").values.bridge, "br-int", "a key without a value keeps its default");
  assert.deepEqual(parse("proxy:\nproxy2:").notices, ["agent.conf: proxy2 is not a key of this version and is ignored"]);
});

test("a wrong value is refused in one line with key, value and what would be right", () => {
  const refusals: readonly (readonly [string, string])[] = [
    ["mode: encaps", 'agent.conf: mode: "encaps" is none of encap, noEncap'],
    ["mode: noencap", "agent.conf: mode: noEncap is not there yet; there is encap"],
    ["port: 70000", "agent.conf: port: 70000 is not a whole number from 0 to 65535"],
    ["bridge: [a]", 'agent.conf: bridge: ["a"] is not a text'],
    ["proxy: true", "agent.conf: proxy: true is not a map of keys to values"],
    ["proxy: { enable: 'yes' }", 'agent.conf: proxy.enable: "yes" is not true or false'],
    ["exporter: { interval: 10ms }", 'agent.conf: exporter.interval: "10ms" is not a duration such as 5s, at least 1s'],
    ["cidrs: [300.0.0.0/8]", 'agent.conf: cidrs: ["300.0.0.0/8"] is not a list of address blocks such as 10.0.0.0/8'],
    ["gates: { A: 1 }", 'agent.conf: gates: {"A":1} is not a map of names to true or false'],
    ["- a", "agent.conf: must be a map of keys to values"],
  ];
  for (const [content, message] of refusals) assert.throws(() => parse(content), { code: "INVALID_CONFIG", message });
  assert.throws(() => parse("a: ["), /^InvalidConfig: agent.conf: not YAML: /);
});

test("any text is read or refused as a whole", () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.json(),
        fc.dictionary(fc.constantFrom(...Object.keys(keys), "proxy"), fc.jsonValue()).map((map) => JSON.stringify(map)),
      ),
      (content) => {
        try {
          parse(content);
        } catch (error) {
          assert.ok(error instanceof InvalidConfig, String(error));
        }
      },
    ),
  );
});

test("the printed defaults are what an absent file means", () => {
  const uncommented = printDefaults({ bridge: keys.bridge, "proxy.enable": keys["proxy.enable"] });
  assert.equal(uncommented, "# Name of the bridge.\n# bridge: br-int\n\n# Proxy. (no effect yet)\n# proxy:\n#   enable: true\n");
});
