import assert from "node:assert/strict";
import { test } from "node:test";
import { parseQuantity } from "./quantity.ts";
import { qosClassOf } from "./qos.ts";

test("quantities are numbers with a suffix or an exponent", () => {
  const rows: readonly (readonly [unknown, number | undefined])[] = [
    ["250m", 0.25],
    ["100m", 0.1],
    ["1.5", 1.5],
    [2, 2],
    [".5", 0.5],
    ["64Mi", 64 * 2 ** 20],
    ["1e3", 1_000],
    ["3k", 3_000],
    ["", undefined],
    ["1Q", undefined],
    ["1e3Mi", undefined],
    [undefined, undefined],
  ];
  for (const [text, value] of rows) assert.equal(parseQuantity(text), value, String(text));
});

test("the class of a pod follows from what all its containers limit and request", () => {
  const whole = { resources: { limits: { cpu: "500m", memory: "64Mi" } } };
  const half = { resources: { limits: { cpu: "1" }, requests: { cpu: "1" } } };
  const equal = { resources: { limits: { cpu: "1", memory: "1Gi" }, requests: { cpu: "1000m", memory: "1024Mi" } } };
  assert.equal(qosClassOf([whole, equal]), "Guaranteed");
  assert.equal(qosClassOf([whole, {}]), "Burstable");
  assert.equal(qosClassOf([half]), "Burstable");
  assert.equal(qosClassOf([{ resources: { requests: { cpu: "1", memory: "1Gi" }, limits: { cpu: "2", memory: "1Gi" } } }]), "Burstable");
  assert.equal(qosClassOf([{}, { resources: { requests: { cpu: "0" } } }]), "BestEffort");
  assert.equal(qosClassOf([{ resources: { limits: { "example.com/gpu": "1" } } }]), "BestEffort");
});
