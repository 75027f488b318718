import assert from "node:assert/strict";
import { test } from "node:test";
import type { KubeletContainer, KubeletPod } from "./pod.ts";
import { resourceValue } from "./resource-ref.ts";

const main: KubeletContainer = {
  name: "main",
  resources: { limits: { cpu: "1250m", memory: "64Mi" }, requests: { cpu: "300m" } },
};
const pod: KubeletPod = { metadata: { name: "web" }, spec: { containers: [main, { name: "free" }] } };
const value = (resource: string, more: { readonly divisor?: string; readonly containerName?: string } = {}) =>
  resourceValue(pod, { resource, ...more }, main);

test("requests and limits come in units of the divisor, rounded up", () => {
  assert.equal(value("limits.cpu"), "2");
  assert.equal(value("limits.cpu", { divisor: "1m" }), "1250");
  assert.equal(value("requests.cpu", { divisor: "0.1" }), "3");
  assert.equal(value("limits.memory", { divisor: "1Mi" }), "64");
  assert.equal(value("requests.memory"), "67108864", "a request that is not stated is the limit");
});

test("a limit that is not stated is what the node has, a request is nothing; what is not there is undefined", () => {
  assert.ok(Number(value("limits.cpu", { containerName: "free" })) >= 1);
  assert.equal(value("requests.cpu", { containerName: "free" }), "0");
  assert.equal(value("limits.cpu", { containerName: "none" }), undefined);
  assert.equal(value("cpu"), undefined);
  assert.equal(value("limits.cpu", { divisor: "odd" }), undefined);
});
